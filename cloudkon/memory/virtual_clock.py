"""Virtual time: a clock for trio's loop that jumps to what is waited for, and a worker's two clocks that read it."""

import math
from typing import Final

import trio

EPOCH: Final = 1_800_000_000.0
"""Epoch seconds at which virtual time begins."""


class JumpingClock(trio.abc.Clock):
    """For ``trio.run``: jumps to the next deadline whenever all tasks wait.

    So does ``trio.testing.MockClock(autojump_threshold=0)``, which lets the loop turn twice for each jump and reads the
    machine's clock each time it is asked: a tenth of a simulation's CPU. Threads and sockets are not waited for.
    """

    def __init__(self) -> None:
        """Begin at 0 s."""
        self._now = 0.0

    def start_clock(self) -> None:
        """Nothing is to be started."""

    def current_time(self) -> float:
        """Virtual seconds."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio asks this when no task can run: go there, and sleep for no time."""
        if deadline == math.inf:
            return math.inf
        self._now = max(self._now, deadline)
        return 0.0


class VirtualClock:
    """Trio's time as both clocks; ``skew`` seconds off on the wall."""

    def __init__(self, skew: float = 0.0) -> None:
        """For one worker."""
        self.skew = skew

    def wall(self) -> float:
        """Epoch seconds."""
        return EPOCH + trio.current_time() + self.skew

    def monotonic(self) -> float:
        """Trio's time in seconds."""
        return trio.current_time()
