"""Writes the lines of a recording into a folder: a file for each process, and beside the folder the key.

Many processes and threads may write at once. Each line is written by one call, so that a process which is killed
leaves at most one broken line, its last. The folder is made to be sent to others; the key is not, so it lies outside.
"""

import json
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

from cloudkon import __version__
from cloudkon.errors import InvalidSetting
from cloudkon.ownership import check_own

FORMAT: Final = 1
NAME: Final = re.compile(r"\d{8}T\d{6}-\d+-[0-9a-f]{4}\.jsonl")
"""Of a process's file: when it began, the process's number, and a random part."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one process. A worker that polls for days must not fill the disk."""
KEY_BYTES: Final = 32
REMEDY: Final = "Name a new folder in CLOUDKON_RECORD, or unset it"


class RecordingFolder:
    """The folder of a recording, and this process's file in it, which is made with the first line."""

    def __init__(self, path: Path) -> None:
        """Make the folder and its key. Raises ``InvalidSetting`` if it can't be made, or has other things in it."""
        self.path = path.absolute()
        self._lock = Lock()
        self._file = -1
        self._process = 0
        self._written = 0
        self.begun = time.monotonic()
        """From when the times of the lines count."""
        self._began = _now("%FT%TZ")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_own(self.path, self.path.stat(), REMEDY)
            foreign = next((one.name for one in sorted(self.path.iterdir()) if not NAME.fullmatch(one.name)), None)
            self.key = _key(self.path.with_name(f"{self.path.name}.key"))
        except OSError as error:
            raise InvalidSetting(f"setting CLOUDKON_RECORD={str(path)!r:.200}", _text(error), REMEDY) from error
        if foreign is not None:
            raise InvalidSetting(
                f"setting CLOUDKON_RECORD={str(path)!r:.200}",
                f"it holds {foreign!r:.80}, which is no recording",
                REMEDY,
            )

    def write(self, line: dict[str, Any]) -> None:
        """Write one line. Raises ``OSError`` if the disk is full, or if this process has written enough."""
        with self._lock:
            # After a fork, the child must not share the parent's file: its lines would mix.
            if self._process != os.getpid():
                self._open()
            data = _encoded(line)
            if self._written + len(data) > MOST_BYTES:
                raise OSError(f"{MOST_BYTES // 1024**2} MiB were recorded, which is the most of one process")
            self._written += len(data)
            done = os.write(self._file, data)
            if done < len(data):
                # The next reader skips the broken line.
                raise OSError("the disk is full")

    def _open(self) -> None:
        name = f"{_now('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(2)}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self.path / name, flags, 0o600)
        self._process, self._written = os.getpid(), 0
        head = {"recording": FORMAT, "cloudkon": __version__, "began": self._began}
        os.write(self._file, _encoded(head))


def _encoded(line: dict[str, Any]) -> bytes:
    return (json.dumps(line, separators=(",", ":"), default=str) + "\n").encode()


def _key(path: Path) -> bytes:
    """Return the folder's key. Whichever process comes first makes it, complete before anybody can see it."""
    if not path.exists():
        staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
        with suppress(FileExistsError):
            os.link(staged, path)
        staged.unlink()
    check_own(path, path.stat(), REMEDY)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise OSError(f"{path} is not a recording's key")
    return bytes.fromhex(text)


def _text(error: OSError) -> str:
    return error.strerror or str(error)


def _now(form: str) -> str:
    return time.strftime(form, time.gmtime())
