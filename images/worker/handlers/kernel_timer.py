"""Kernel timer: a sleep that ends when it should.

trio waits by ``epoll_wait``, whose time-out is in whole milliseconds, rounded up: a sleep of 10 ms takes 10.6 on
average, which is more than all that this worker does between two tasks. A timerfd wakes the same wait to the
microsecond, for some 30 µs of CPU (timerfd_create(2)). To wake a processor that idles takes some tenths of a
millisecond more, on virtual machines above all; so the timer is set early by about as much, which is learnt.
"""

import ctypes
import os
import sys
import time
from typing import Final

import trio

WORTH_SECONDS: Final = 0.1
"""Sleeps from which on a millisecond is less than one in a hundred."""
_LATE_SECONDS: Final = 0.002
"""After which trio's own clock ends the sleep. That it would do at the same moment is dear: it cancels."""
_EARLY_SECONDS: Final = 0.0001
"""By which a timer may seem early: the kernel's clock and trio's are read one after the other."""
_LONGEST_LEAD: Final = 0.0005
"""By which a timer is set early at the most: so long the loop may be kept turning until the sleep's end."""
_LEAD_STEP: Final = 0.00001
_EARLY_FOR_LATE: Final = 3
"""How many times a step the lead is cut when it was too long: it comes to where one sleep of four wakes early."""
_CLOCK_MONOTONIC: Final = 1
_BILLION: Final = 1_000_000_000


class _Spec(ctypes.Structure):
    """C's ``struct itimerspec``: the interval between expirations, which is none here, and the first one."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


# Python has these calls itself from 3.13 on.
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Lead:
    """By how much timers are set early, in seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def of(self, seconds: float) -> float:
        """For a sleep of so many seconds; none for one that is hardly longer."""
        return self._seconds if seconds > 2 * _LONGEST_LEAD else 0.0

    def learn(self, *, early: bool) -> None:
        """A sleep woke before its end, or after it."""
        step = -_EARLY_FOR_LATE * _LEAD_STEP if early else _LEAD_STEP
        self._seconds = min(_LONGEST_LEAD, max(0.0, self._seconds + step))


_LEAD: Final = _Lead()


async def sleep_exactly(seconds: float) -> None:
    """Sleep for so many seconds, a tenth of a millisecond longer at the most on an idle machine.

    Where the kernel has no such timers it is as late as ``trio.sleep``; by a test's clock it takes 2 ms more.
    """
    end = trio.current_time() + seconds
    timer = _timer(seconds - _LEAD.of(seconds)) if 0 < seconds < WORTH_SECONDS else None
    if timer is not None:
        try:
            with trio.move_on_at(end + _LATE_SECONDS):
                await trio.lowlevel.wait_readable(timer)
        finally:
            os.close(timer)
        left = end - trio.current_time()
        _LEAD.learn(early=left > 0)
        if left <= _LONGEST_LEAD:
            await _turn_for(left)
    if timer is None or trio.current_time() < end - _EARLY_SECONDS:
        await trio.sleep_until(end)


async def _turn_for(seconds: float) -> None:
    """Let the loop turn, and others have it, for so long by the machine's clock; not at all for none."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await trio.lowlevel.checkpoint()


def _timer(seconds: float) -> int | None:
    """The descriptor of a timer that expires once, so many seconds from now; ``None`` where there is none to have."""
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
