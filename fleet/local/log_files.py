"""Journal: the log files of the fleet's processes, kept small, read from the end, and followed."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of one log file; one older file of each is kept beside it (``.log.1``)."""
TAIL_BYTES: Final = 256 * 1024
"""How far back a log is read for its last lines; a line of the fleet's own is far below a thousandth of that."""


class LogLine(NamedTuple):
    """One line of one process's log; ``time`` in epoch seconds, 0.0 where it does not say."""

    time: float
    source: str
    text: str


def rotate(path: Path) -> None:
    """Before a process starts: put its log aside if it is large. A log that can't be moved is no reason not to."""
    try:
        if path.stat().st_size > LARGEST // 2:
            path.replace(_older(path))
    except OSError:
        return


def truncate_if_large(path: Path) -> None:
    """Under a running process: copy a log that has grown too large aside, and empty it.

    Processes append, so they go on at its new end; a line written between the copy and the cut is lost.
    """
    try:
        if path.stat().st_size > LARGEST:
            shutil.copyfile(path, _older(path))
            os.truncate(path, 0)
    except OSError:
        # On a full disk the copy fails: then there is nothing better than to keep the file as it is.
        return


def log_size(path: Path) -> int:
    """Its size in bytes now; 0 if there is no log."""
    return _place(path)[1]


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """The last lines of a log that are not blank, from byte ``since`` on; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(since, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:] if count else []


def merge_by_time(lines: Iterable[LogLine]) -> list[LogLine]:
    """Lines of several logs in the order of their times; what has no time stays behind the line above it."""
    dated, before = [], dict[str, float]()
    for line in lines:
        before[line.source] = line.time or before.get(line.source, 0.0)
        dated.append((before[line.source], line))
    return [line for _, line in sorted(dated, key=lambda pair: pair[0])]


def parse_line(source: str, text: str) -> LogLine:
    """Read the time out of a structured line."""
    try:
        time = json.loads(text)["time"] if text.startswith("{") else 0.0
    except (ValueError, KeyError):
        time = 0.0
    return LogLine(float(time) if isinstance(time, int | float) else 0.0, source, text)


class LogFollower:
    """Gives the lines that are added to one log from now on, whole ones only, across cuts and rotations."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        """``from_start`` for a log that came into being while others were followed."""
        self._path = path
        self._inode, self._offset = (0, 0) if from_start else _place(path)
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """The lines added since the last call."""
        inode, size = _place(self._path)
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


def _place(path: Path) -> tuple[int, int]:
    """Inode and size, or zeros for no file."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_ino, stat.st_size
