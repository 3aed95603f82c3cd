"""Hooks the recorder into a client's events: a request before it is encoded, an answer after it is parsed."""

import time
from pathlib import Path
from threading import Lock
from typing import Any, Final

from botocore.model import OperationModel

from cloudkon.aws.recording.folder import RecordingFolder
from cloudkon.aws.recording.sanitiser import META, Sanitiser
from cloudkon.aws.recording.stand_ins import StandIns
from cloudkon.settings import Settings
from cloudkon.terminal import say_error

_CALL: Final = "cloudkon_recorded_call"


class Recorder:
    """Records the calls of all clients of this process into one folder. It never fails a call."""

    def __init__(self, folder: RecordingFolder, public: tuple[str, ...]) -> None:
        """``public``: names that stay readable, such as the fleet's."""
        self._folder = folder
        self._sanitiser = Sanitiser(StandIns(folder.key, public))
        self._stopped = False

    def hook(self, client: Any) -> None:  # noqa: ANN401  (boto3 makes its clients' classes at run time)
        """Record every call of a boto3 client from now on."""
        events = client.meta.events
        events.register("provide-client-params", self._on_request)
        events.register("after-call", self._on_answer)
        events.register("after-call-error", self._on_failure)

    def _on_request(self, params: Any, model: OperationModel, context: dict[str, Any], **_more: object) -> None:  # noqa: ANN401  (botocore's)
        if self._stopped:
            return
        try:
            # At once: others may change the parameters before the answer comes.
            context[_CALL] = (time.monotonic(), model, self._sanitiser.request(params, model))
        except Exception as error:  # noqa: BLE001  (whatever it is, the call matters more)
            self._stop(error)

    def _on_answer(self, http_response: Any, parsed: Any, context: dict[str, Any], **_more: object) -> None:  # noqa: ANN401  (botocore's)
        if self._stopped or _CALL not in context:
            return
        try:
            model = context[_CALL][1]
            meta = parsed.get("ResponseMetadata", {})
            self._write(
                context,
                {
                    "status": http_response.status_code,
                    "meta": {key: meta[key] for key in META if key in meta},
                    "answer": self._sanitiser.answer(parsed, model),
                },
            )
        except Exception as error:  # noqa: BLE001  (as above)
            self._stop(error)

    def _on_failure(self, exception: Exception, context: dict[str, Any], **_more: object) -> None:
        if self._stopped or _CALL not in context:
            return
        try:
            text = self._sanitiser.sentence(str(exception))
            self._write(context, {"failure": {"kind": type(exception).__name__, "message": text}})
        except Exception as error:  # noqa: BLE001  (as above)
            self._stop(error)

    def _write(self, context: dict[str, Any], outcome: dict[str, Any]) -> None:
        begun, model, request = context.pop(_CALL)
        now = time.monotonic()
        line = {
            "at": round(max(0.0, begun - self._folder.begun), 3),
            "seconds": round(now - begun, 3),
            "service": str(model.service_model.service_name),
            "operation": str(model.name),
            "request": request,
        }
        self._folder.write(line | outcome)

    def _stop(self, error: Exception) -> None:
        """Say once that nothing more is recorded."""
        if not self._stopped:
            self._stopped = True
            say_error(f"warning: recording into {self._folder.path} has stopped: {error!r:.200}")


_recorders: dict[Path, Recorder] = {}
_lock: Final = Lock()


def record_calls(client: Any, settings: Settings) -> None:  # noqa: ANN401  (boto3 makes its clients' classes at run time)
    """Record a client's calls into the folder that the settings name. Raises ``InvalidSetting`` if it can't be used."""
    path = Path(settings.record).absolute()
    with _lock:
        if path not in _recorders:
            _recorders[path] = Recorder(RecordingFolder(path), (settings.fleet,))
        recorder = _recorders[path]
    recorder.hook(client)
