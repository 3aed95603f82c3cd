"""Keeps facts in an append-only file of JSON lines, so that a crash loses at most the last line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Facts in the order in which they were appended. Raises ``OSError`` if the file can't be read or written."""

    def __init__(self, path: Path) -> None:
        """Open or create the file."""
        self.path = path
        self._file = path.open("a+b", buffering=0)
        self._terminate_torn_line()

    def _terminate_torn_line(self) -> None:
        if self._file.seek(0, os.SEEK_END):
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def facts(self) -> Iterator[dict[str, Any]]:
        """Yield all facts so far, without lines that a crash tore."""
        self._file.seek(0)
        with os.fdopen(os.dup(self._file.fileno()), "rb") as reader:
            for line in reader:
                try:
                    fact = json.loads(line)
                except ValueError:
                    continue
                if isinstance(fact, dict):
                    yield fact

    def append(self, fact: dict[str, Any], *, durable: bool = False) -> None:
        """Add a fact; ``durable`` waits until it would survive a power cut."""
        self._file.write((json.dumps(fact) + "\n").encode())
        if durable:
            os.fsync(self._file.fileno())

    def clear(self) -> None:
        """Delete all facts."""
        self._file.truncate(0)

    def fileno(self) -> int:
        """Return the file descriptor, for locking."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
