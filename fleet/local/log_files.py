"""Rotates, reads, merges and follows the log files of the local fleet's processes."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

MOST_LOG_BYTES: Final = 8 * 1024 * 1024
"""The size limit of a log file. One older file of each is kept beside it (``.log.1``)."""
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
            path.replace(_older(path))
    except OSError:
        return


def truncate_if_large(path: Path) -> None:
    """Copy a log that is too large aside, and empty it while its process runs.

    Processes append, so they continue at the new end. A line that is written between the copy and the cut is lost.
    """
    try:
        if path.stat().st_size > MOST_LOG_BYTES:
            shutil.copyfile(path, _older(path))
            os.truncate(path, 0)
    except OSError:
        # On a full disk the copy fails. Then the file stays unchanged.
        return


def log_size(path: Path) -> int:
    """Return a log's size in bytes; 0 for a missing file."""
    return _inode_and_size(path)[1]


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """Return a log's last ``count`` lines that are not blank, from byte ``since`` on; none for a missing file."""
    try:
        with path.open("rb") as file:
            file.seek(max(since, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:] if count else []


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
        time = json.loads(text)["time"] if text.startswith("{") else 0.0
    except (ValueError, KeyError):
        time = 0.0
    return LogLine(float(time) if isinstance(time, int | float) else 0.0, source, text)


class LogFollower:
    """Reads the complete lines that are added to one log from now on, across truncation and rotation."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        """``from_start`` is for a log that was created while others were followed."""
        self._path = path
        self._inode, self._offset = (0, 0) if from_start else _inode_and_size(path)
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """Yield the lines added since the last call."""
        inode, size = _inode_and_size(self._path)
        if inode != self._inode or size < self._offset:
            self._inode, self._offset, self._rest = inode, 0, b""
        if size == self._offset:
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(size - self._offset)
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole if line.strip())


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _inode_and_size(path: Path) -> tuple[int, int]:
    """Return a file's inode and size; zeros for a missing file."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_ino, stat.st_size
