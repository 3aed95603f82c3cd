"""Writes a process's output to a log whose size and rate are bounded at every moment."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_LOG_BYTES: Final = 8 * 1024 * 1024
"""The size limit of a log file. One older file of each is kept beside it (``.log.1``)."""
BYTES_PER_SECOND: Final = 1024 * 1024
"""How much output of one process is kept in the long run. More is dropped, and the log says how much."""
BURST_BYTES: Final = 8 * 1024 * 1024
"""How much output is kept at any rate, if there was little before."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """The size of one of the two files, and the rate of output that is kept."""

    file_bytes: int = MOST_LOG_BYTES
    bytes_per_second: int = BYTES_PER_SECOND
    burst_bytes: int = BURST_BYTES


def older(path: Path) -> Path:
    """Return the name of the file before the current one."""
    return path.with_name(f"{path.name}.1")


class RotatingLog:
    """A log in two files. When the current one is full, it replaces the older one, between two lines.

    It never raises ``OSError``: output that can't be written counts as dropped.
    """

    def __init__(
        self, path: Path, limits: LogLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` is in seconds."""
        self._path, self._limits, self._clock = path, limits or LogLimits(), clock
        self._budget, self._counted_at = float(self._limits.burst_bytes), clock()
        self._dropped = 0
        self._descriptor, self._size = -1, 0
        self._at_line_start = True
        self._open()

    @property
    def is_dropping(self) -> bool:
        """Whether output was dropped that the log does not mention yet."""
        return self._dropped > 0

    def write(self, data: bytes) -> None:
        """Append output, or drop it while there is more than the rate allows.

        With empty data, only mention what was dropped, if it is time.
        """
        self._refill()
        if self._dropped and self._budget >= self._limits.bytes_per_second:
            fragment = data.find(b"\n") + 1 or len(data)
            self._dropped += fragment
            data = data[fragment:]
            self._mention_dropped()
        if self._dropped or len(data) > self._budget:
            self._dropped += len(data)
        else:
            self._budget -= len(data)
            self._append(data)

    def close(self) -> None:
        """Mention what was dropped, and close the file."""
        if self._dropped:
            self._mention_dropped()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _refill(self) -> None:
        now = self._clock()
        earned = (now - self._counted_at) * self._limits.bytes_per_second
        self._budget, self._counted_at = min(self._limits.burst_bytes, self._budget + earned), now

    def _mention_dropped(self) -> None:
        line = {"time": round(time.time(), 3), "level": "warning", "action": "output-dropped", "bytes": self._dropped}
        dropped, self._dropped = self._dropped, 0
        self._append((b"" if self._at_line_start else b"\n") + json.dumps(line).encode() + b"\n")
        if self._dropped:  # not written
            self._dropped = dropped

    def _append(self, data: bytes) -> None:
        while data:
            room = max(0, self._limits.file_bytes - self._size)
            if len(data) <= room:
                self._put(data)
                return
            fits = data.rfind(b"\n", 0, room) + 1
            if not fits and not (self._at_line_start and self._size):
                fits = room  # a line that is longer than a file
            self._put(data[:fits])
            self._rotate()
            data = data[fits:]

    def _put(self, data: bytes) -> None:
        if self._descriptor < 0:
            self._open()
        while data:
            try:
                count = os.write(self._descriptor, data)
            except OSError:
                self._dropped += len(data)
                return
            self._size += count
            self._at_line_start = data[count - 1 : count] == b"\n"
            data = data[count:]

    def _rotate(self) -> None:
        """Begin a new file. A file that can't be moved aside is emptied."""
        try:
            self._path.replace(older(self._path))
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            self._size = 0
            return
        os.close(self._descriptor)
        self._open()

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._descriptor).st_size
        except OSError:
            self._descriptor, self._size = -1, 0
