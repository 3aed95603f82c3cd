"""``python -m benchmarks.harness.profiled_worker FILE …``: runs a worker with a sampling profiler.

It takes a sample for each millisecond of the loop's CPU time: the kernel counts the CPU time of the first thread, in
which the loop runs, and sends a signal; Python then records the current function. Unlike ``cProfile``, this adds the
same cost to every function. Linux only.
"""

import ctypes
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from images.worker.cli import main

PERIOD_SECONDS: Final = 0.001
"""CPU time between two samples; kernels that tick 250 times a second take four times as long."""
_WRITE_EVERY: Final = 20
"""Samples between two writes of the file, since the worker is killed at the end of its trial."""
_CLOCK_THREAD_CPUTIME_ID: Final = 3
_BILLION: Final = 1_000_000_000
_SITE: Final = "site-packages/"
_LOOP: Final = "unrolled_run"
"""Trio's function that runs the loop; samples outside it are the worker's start."""


class _Event(ctypes.Structure):
    """C's ``struct sigevent``, with the fields that send a signal to the process."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """C's ``struct itimerspec``."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def sample_into(path: Path) -> None:
    """Start to count samples by ``FILE FUNCTION``, and write the counts to a JSON file."""
    counts: Counter[str] = Counter()

    def note(_number: int, frame: FrameType | None) -> None:
        if frame is None or not _in_loop(frame):
            return
        counts[f"{_short(frame.f_code.co_filename)} {frame.f_code.co_qualname}"] += 1
        if not sum(counts.values()) % _WRITE_EVERY:
            staged = path.with_suffix(".new")
            staged.write_text(json.dumps(counts), encoding="utf-8")
            staged.replace(path)

    signal.signal(signal.SIGPROF, note)
    libc, timer = ctypes.CDLL(None, use_errno=True), ctypes.c_void_p()
    event, period = _Event(None, signal.SIGPROF, 0, b""), round(PERIOD_SECONDS * _BILLION)
    times = _Times(0, period, 0, period)
    if libc.timer_create(_CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(timer)) or libc.timer_settime(
        timer, 0, ctypes.byref(times), None
    ):
        raise OSError(ctypes.get_errno(), "this system has no timer of a thread's CPU time")


def _in_loop(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_name != _LOOP:
        frame = frame.f_back
    return frame is not None


def _short(path: str) -> str:
    """The path of a file without its machine's directories."""
    if _SITE in path:
        return path.rpartition(_SITE)[2]
    root = f"{Path(__file__).parents[2]}{os.sep}"
    return path.removeprefix(root) if path.startswith(root) else f"python/{os.path.basename(path)}"  # noqa: PTH119  (cheap: 1,000 a second)


if __name__ == "__main__":
    sample_into(Path(sys.argv.pop(1)))
    main()
