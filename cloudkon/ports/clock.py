"""Clock: the two times a worker needs."""

import time
from typing import Protocol

import trio


class Clock(Protocol):
    """Passed in everywhere, so that a simulation can skew it."""

    def wall(self) -> float:
        """Epoch seconds: what workers compare with one another, up to the skew margin."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: what a worker holds its own lease against."""
        ...


class TrioClock:
    """The machine's wall clock, and trio's clock, which a test can replace by ``MockClock``."""

    def wall(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Trio's time in seconds."""
        return trio.current_time()
