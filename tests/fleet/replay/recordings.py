"""Reads folders that ``CLOUDKON_RECORD`` wrote, and sends what AWS answered through all our readers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.model import OperationNotFoundError

from cloudkon.aws.aws_errors import to_cloudkon_error
from cloudkon.aws.recording.folder import FORMAT, NAME
from cloudkon.errors import CloudKonError
from tests.fleet.replay.modelled import from_json, operation_model, signature_of, without_pages
from tests.fleet.replay.operations import rows_of
from tests.fleet.replay.readers import read

_OK = 300


@dataclass(frozen=True)
class RecordedCall:
    """One call: its request and answer as JSON, the HTTP status (0 if no answer came), and where it stands."""

    where: str
    service: str
    operation: str
    request: dict[str, Any]
    status: int
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The operation with its service, such as ``ecs.DescribeTasks``."""
        return f"{self.service}.{self.operation}"


def recorded_calls(folder: Path) -> Iterator[RecordedCall]:
    """Yield the calls of all processes. The broken last line of a process that was killed is left out.

    Raises ``ValueError`` for a recording of another format, or a folder without any.
    """
    files = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
    if not files:
        raise ValueError(f"{folder} holds no recording")
    for path in files:
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if number == 1 and line.get("recording") != FORMAT:
                raise ValueError(f"{path} is of format {line.get('recording')!r}, and this reads {FORMAT}")
            if "operation" in line:
                yield RecordedCall(
                    f"{path.name}:{number}",
                    line["service"],
                    line["operation"],
                    line.get("request") or {},
                    line.get("status", 0),
                    line.get("answer") or {},
                )


async def misread(folder: Path) -> list[str]:
    """Return a line for each recorded answer that one of our readers fails on. Answers of one shape are read once."""
    wrong: list[str] = []
    seen: set[str] = set()
    for call in recorded_calls(folder):
        try:
            wrong += [f"{call.where}: {call.name}: {text}" for text in await _misread_call(call, seen)]
        except OperationNotFoundError:
            wrong.append(f"{call.where}: AWS's model has no {call.name}")
    return wrong


async def _misread_call(call: RecordedCall, seen: set[str]) -> list[str]:
    if not call.status:
        return []
    if call.status >= _OK:
        return _misread_error(call)
    shape = operation_model(call.service, call.operation).output_shape
    wrong = []
    for row in rows_of(call.name, without_pages(from_json(call.answer, shape) or {})):
        signature = f"{call.name} {json.dumps(signature_of(row, shape), sort_keys=True)}"
        if signature in seen:
            continue
        seen.add(signature)
        try:
            await read(call.name, row)
        except Exception as error:  # noqa: BLE001  (whatever it is, it would have ended the command)
            wrong.append(f"{error!r:.300}")
    return wrong


def _misread_error(call: RecordedCall) -> list[str]:
    parsed: Any = {**call.answer, "ResponseMetadata": {"HTTPStatusCode": call.status}}
    found = to_cloudkon_error(ClientError(parsed, call.operation), "some", "")
    return (
        [] if isinstance(found, CloudKonError) and "\n" not in str(found) else [f"its error is not one line: {found}"]
    )
