"""Rotates, reads, merges and follows the log files of the local fleet's processes."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .processes.rotating_log import MOST_LOG_BYTES, older

TAIL_BYTES: Final = 256 * 1024
"""How far back a log is read for its last lines. The fleet's own lines are far below a thousandth of that."""


class LogLine(NamedTuple):
    """One line of one process's log; ``time`` is in epoch seconds, 0.0 for a line without one."""

    time: float
    source: str
    text: str


def rotate(path: Path) -> None:
    """Move a large log aside before its process starts. A log that can't be moved does not prevent the start."""
    try:
        if path.stat().st_size > MOST_LOG_BYTES // 2:
            path.replace(older(path))
    except OSError:
        return


def rotate_own_output(path: Path) -> None:
    """Begin a new log if this process's own is full. Its standard output and error then go to the new file."""
    try:
        if path.stat().st_size <= MOST_LOG_BYTES:
            return
        path.replace(older(path))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        return
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def log_size(path: Path) -> int:
    """Return a log's size in bytes; 0 for a missing file."""
    return _inode_and_size(path)[1]


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """Return a log's last ``count`` lines that are not blank, from byte ``since`` on; none for a missing file."""
    text = _tail(path, since).decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:] if count else []


def recent_lines(path: Path, count: int) -> list[str]:
    """Return the last ``count`` lines of a log and of the older file before it."""
    lines = last_lines(path, count)
    return lines if len(lines) == count else last_lines(older(path), count - len(lines)) + lines


def _tail(path: Path, since: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(since, path.stat().st_size - TAIL_BYTES))
            return file.read()
    except OSError:
        return b""


def merge_by_time(lines: Iterable[LogLine]) -> list[LogLine]:
    """Sort the lines of several logs by time. A line without a time stays behind the line above it."""
    dated, before = [], dict[str, float]()
    for line in lines:
        before[line.source] = line.time or before.get(line.source, 0.0)
        dated.append((before[line.source], line))
    return [line for _, line in sorted(dated, key=lambda pair: pair[0])]


def parse_line(source: str, text: str) -> LogLine:
    """Read a structured line's time."""
    try:
        time = float(json.loads(text)["time"]) if text.startswith("{") else 0.0
    except (ArithmeticError, KeyError, RecursionError, TypeError, ValueError):
        # A task may print anything.
        time = 0.0
    return LogLine(time if math.isfinite(time) else 0.0, source, text)


class LogFollower:
    """Reads the complete lines that are added to one log from now on, across rotation."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        """``from_start`` is for a log that was created while others were followed."""
        self._path = path
        self._inode, self._offset = (0, 0) if from_start else _inode_and_size(path)
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """Yield the lines added since the last call."""
        inode, size = _inode_and_size(self._path)
        data = b""
        if inode != self._inode or size < self._offset:
            data = self._read_rotated()
            self._inode, self._offset = inode, 0
        data += self._read(self._path)
        if not data:
            return
        *whole, self._rest = (self._rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole if line.strip())

    def _read_rotated(self) -> bytes:
        """Return the end of the file that was moved aside since the last call. What was moved twice is lost."""
        if self._inode and _inode_and_size(older(self._path))[0] == self._inode:
            return self._read(older(self._path))
        self._rest = b""
        return b""

    def _read(self, path: Path) -> bytes:
        """Read on in a file of the followed inode; nothing if it was moved away in the meantime."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_ino != self._inode:
                    return b""
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return b""
        self._offset += len(data)
        return data


def _inode_and_size(path: Path) -> tuple[int, int]:
    """Return a file's inode and size; zeros for a missing file."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_ino, stat.st_size
