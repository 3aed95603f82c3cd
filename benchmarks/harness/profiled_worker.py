"""``python -m benchmarks.harness.profiled_worker FILE …``: the worker, sampled each millisecond of CPU of its loop.

The kernel counts the CPU of the first thread, in which the loop runs, and signals; Python then notes the function that
the loop is in. Unlike ``cProfile`` this makes no function dearer than another. Linux only.
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
"""Of CPU between two samples; kernels that tick 250 times a second take four times as long."""
_WRITE_EVERY: Final = 20
"""Samples between two writes of the file: the worker is killed when its trial is over."""
_CLOCK_THREAD_CPUTIME_ID: Final = 3
_BILLION: Final = 1_000_000_000
_SITE: Final = "site-packages/"
_LOOP: Final = "unrolled_run"
"""Trio's function that is the loop: what is not under it is the worker's start."""


class _Event(ctypes.Structure):
    """C's ``struct sigevent`` as far as it matters: a signal to the process."""

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
    """Begin to count samples by function, and keep them in a JSON file: of each ``FILE FUNCTION``, how many."""
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
    """A file by its module path, whichever machine it lies on."""
    if _SITE in path:
        return path.rpartition(_SITE)[2]
    root = f"{Path(__file__).parents[2]}{os.sep}"
    return path.removeprefix(root) if path.startswith(root) else f"python/{os.path.basename(path)}"  # noqa: PTH119  (cheap: 1,000 a second)


if __name__ == "__main__":
    sample_into(Path(sys.argv.pop(1)))
    main()
