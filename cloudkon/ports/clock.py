"""Declares the clock: wall time and monotonic time."""

import time
from typing import Protocol

import trio


class Clock(Protocol):
    """The two clocks of a worker, passed in everywhere so that a simulation can skew them."""

    def wall(self) -> float:
        """Epoch seconds. Workers compare these with each other, up to the skew margin."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump. A worker measures its own leases with them."""
        ...


class TrioClock:
    """The system's wall clock, and trio's clock, which a test can replace with ``MockClock``."""

    def wall(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Trio's time in seconds."""
        return trio.current_time()
