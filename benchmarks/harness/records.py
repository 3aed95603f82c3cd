"""Records: what a peer's or the naive worker's task notes of itself, in 24 bytes and some microseconds.

Imports nothing but the standard library: the peers run it in an environment of their own.
"""

import os
import struct
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = "BENCH_RECORDS"
"""Environment variable: the file that records are appended to."""
_LAYOUT: Final = struct.Struct("3d")


class ChunkRecord(NamedTuple):
    """One execution, in epoch seconds. ``sent`` is what the pusher said, 0 where it said nothing."""

    sent: float
    started: float
    ended: float


def nap(milliseconds: float, sent: float) -> None:
    """The task: sleep, and note it. A task of 0 ms doesn't call the kernel to sleep, as ours doesn't."""
    started = time.time()
    if milliseconds:
        time.sleep(milliseconds / 1000)
    os.write(_file(), _LAYOUT.pack(sent, started, time.time()))


def read_records(path: Path) -> list[ChunkRecord]:
    """All records so far; a file that isn't there has none."""
    data = path.read_bytes() if path.exists() else b""
    return [ChunkRecord(*fields) for fields in _LAYOUT.iter_unpack(data[: len(data) // _LAYOUT.size * _LAYOUT.size])]


def count_records(path: Path) -> int:
    """How many there are, without reading them."""
    return path.stat().st_size // _LAYOUT.size if path.exists() else 0


@cache
def _file() -> int:
    # Appends of so few bytes are never mixed up, whichever process or thread makes them.
    return os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
