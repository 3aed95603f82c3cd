"""Runs trio in virtual time: a clock that jumps to the next deadline, and a worker's clock on that time."""

import math
from typing import Final

import trio

EPOCH: Final = 1_800_000_000.0
"""Epoch seconds at which virtual time begins (15 January 2027)."""


class JumpingClock(trio.abc.Clock):
    """A clock for ``trio.run(…, clock=JumpingClock())`` that jumps to the next deadline when all tasks wait.

    It does not wait for threads or sockets. ``trio.testing.MockClock(autojump_threshold=0)`` does the same, but needs
    two turns of the loop for each jump and reads the system's clock at each call: a tenth of a simulation's CPU time.
    """

    def __init__(self) -> None:
        """Start at 0 s."""
        self._now = 0.0

    def start_clock(self) -> None:
        """Do nothing: trio calls this when the loop starts."""

    def current_time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to ``deadline`` and return 0 s to sleep. Trio calls this when no task can run.

        Returns infinity if there is no deadline: only another thread could wake the loop then.
        """
        if deadline == math.inf:
            return math.inf
        self._now = max(self._now, deadline)
        return 0.0


class VirtualClock:
    """The two clocks of one worker, both on trio's time. Its wall clock is ``skew`` seconds ahead."""

    def __init__(self, skew: float = 0.0) -> None:
        """Set how many seconds the wall clock is ahead; negative if it is behind."""
        self.skew = skew

    def wall(self) -> float:
        """Epoch seconds."""
        return EPOCH + trio.current_time() + self.skew

    def monotonic(self) -> float:
        """Trio's time, in seconds."""
        return trio.current_time()
