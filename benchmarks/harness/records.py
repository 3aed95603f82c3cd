"""Records each execution of a peer's or the naive worker's task in a file: 24 bytes, in some microseconds.

This module imports only the standard library, because the peers run it in an environment of their own.
"""

import os
import struct
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

RECORDS_VARIABLE: Final = "BENCH_RECORDS"
"""Environment variable: the file that records are appended to."""
_LAYOUT: Final = struct.Struct("3d")


class Execution(NamedTuple):
    """One execution, in epoch seconds. ``sent`` is the time that the pusher gave, or 0 without one."""

    sent: float
    started: float
    ended: float


def record_sleep(milliseconds: float, sent: float) -> None:
    """Run the task: sleep, and record it. A task of 0 ms makes no system call to sleep, as ours makes none."""
    started = time.time()
    if milliseconds:
        time.sleep(milliseconds / 1000)
    os.write(_file(), _LAYOUT.pack(sent, started, time.time()))


def read_executions(path: Path) -> list[Execution]:
    """All executions so far; a missing file has none."""
    data = path.read_bytes() if path.exists() else b""
    return [Execution(*fields) for fields in _LAYOUT.iter_unpack(data[: len(data) // _LAYOUT.size * _LAYOUT.size])]


def count_executions(path: Path) -> int:
    """Count the executions without reading them."""
    return path.stat().st_size // _LAYOUT.size if path.exists() else 0


@cache
def _file() -> int:
    # Appends of a few bytes are atomic across processes and threads.
    return os.open(os.environ[RECORDS_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
