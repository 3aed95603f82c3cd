"""Sleeps for short times more exactly than trio can.

trio waits with ``epoll_wait``, whose time-out is in whole milliseconds, rounded up: a sleep of 10 ms takes 10.6 on
average, and the difference is more than all the worker's work between two tasks. A timerfd ends the same wait to the
microsecond, for about 30 µs of CPU (timerfd_create(2)). To wake an idle processor takes some tenths of a millisecond
more, above all on virtual machines, so the timer is set early by about that time, which is learnt.
"""

import ctypes
import os
import sys
import time
from typing import Final

import trio

SHORT_SECONDS: Final = 0.1
"""Sleeps of this length and more use trio's clock: a millisecond is less than one per cent of them."""
_LATE_SECONDS: Final = 0.002
"""Time after which trio's own clock ends the sleep. It is later than the timer, because a cancel is expensive."""
_EARLY_SECONDS: Final = 0.0001
"""Time by which a timer may seem to be early: the kernel's clock and trio's are read one after the other."""
_MOST_LEAD_SECONDS: Final = 0.0005
"""Most time by which a timer is set early; for that time the event loop may have to spin until the sleep's end."""
_LEAD_STEP_SECONDS: Final = 0.00001
_CUT_STEPS: Final = 3
"""Steps by which the lead is cut when it was too long. It settles where one sleep in four wakes early."""
_CLOCK_MONOTONIC: Final = 1
_BILLION: Final = 1_000_000_000


class _Spec(ctypes.Structure):
    """C's ``struct itimerspec``: the interval between expirations, which is 0 here, and the first expiration."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


# Python has these calls since 3.13.
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Lead:
    """The time by which timers are set early, learnt from the sleeps before."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def of(self, seconds: float) -> float:
        """Return the lead in seconds for a sleep; 0 for a sleep that is hardly longer than the lead."""
        return self._seconds if seconds > 2 * _MOST_LEAD_SECONDS else 0.0

    def learn(self, *, early: bool) -> None:
        """Adjust the lead after a sleep that woke before its end (``early``) or after it."""
        step = -_CUT_STEPS * _LEAD_STEP_SECONDS if early else _LEAD_STEP_SECONDS
        self._seconds = min(_MOST_LEAD_SECONDS, max(0.0, self._seconds + step))


_LEAD: Final = _Lead()


async def sleep_exactly(seconds: float) -> None:
    """Sleep for ``seconds``, and at most a tenth of a millisecond longer on an idle machine.

    Where the kernel has no such timers, it is as late as ``trio.sleep``. Under a test's clock it takes 2 ms more.
    """
    end = trio.current_time() + seconds
    timer = _timer(seconds - _LEAD.of(seconds)) if 0 < seconds < SHORT_SECONDS else None
    if timer is not None:
        try:
            with trio.move_on_at(end + _LATE_SECONDS):
                await trio.lowlevel.wait_readable(timer)
        finally:
            os.close(timer)
        left = end - trio.current_time()
        _LEAD.learn(early=left > 0)
        if left <= _MOST_LEAD_SECONDS:
            await _spin(left)
    if timer is None or trio.current_time() < end - _EARLY_SECONDS:
        await trio.sleep_until(end)


async def _spin(seconds: float) -> None:
    """Let the event loop run other tasks for ``seconds`` by the machine's clock."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await trio.lowlevel.checkpoint()


def _timer(seconds: float) -> int | None:
    """Return the descriptor of a timer that expires once, in ``seconds``; ``None`` if the kernel can't make one."""
    if _LIBC is None:
        return None
    descriptor: int = _LIBC.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    whole, rest = divmod(round(seconds * _BILLION), _BILLION)
    if _LIBC.timerfd_settime(descriptor, 0, ctypes.byref(_Spec(0, 0, whole, rest)), None) < 0:
        os.close(descriptor)
        return None
    return descriptor
