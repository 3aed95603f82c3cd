"""Journal: a file of JSON lines that is only ever appended to, so that a crash costs at most its last line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Facts in the order they became known. Raises ``OSError`` where the file can't be read or written."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it."""
        self.path = path
        self._file = path.open("a+b", buffering=0)
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        if self._file.seek(0, os.SEEK_END):
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def facts(self) -> Iterator[dict[str, Any]]:
        """All facts so far; a line that a crash tore is none."""
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
        """Add a fact; ``durable`` waits until it would outlive a power cut."""
        self._file.write((json.dumps(fact) + "\n").encode())
        if durable:
            os.fsync(self._file.fileno())

    def clear(self) -> None:
        """Forget all facts."""
        self._file.truncate(0)

    def fileno(self) -> int:
        """The descriptor, to lock it by."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
