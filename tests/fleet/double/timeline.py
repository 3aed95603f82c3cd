"""Runs what happens on AWS over time, in order, up to the present moment whenever a call arrives."""

import heapq
import itertools
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The double's time zero: trio's virtual clock begins at 0 too."""
Process = Generator[float, None, None]
"""A process in steps; each step yields the seconds until the next one."""


class Timeline:
    """Nothing runs concurrently: ``advance`` catches up on the time since the last call."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since ``EPOCH``."""
        self._due: list[tuple[float, int, Process]] = []
        self._numbers = itertools.count()

    @property
    def moment(self) -> datetime:
        """The present time, in the form that services return."""
        return self.moment_at(self.now)

    def moment_at(self, seconds: float) -> datetime:
        """Return another time in that form."""
        return EPOCH + timedelta(seconds=seconds)

    def start(self, process: Process, delay: float = 0.0) -> None:
        """Start a process after ``delay`` seconds."""
        heapq.heappush(self._due, (self.now + delay, next(self._numbers), process))

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Run an action once after ``seconds``."""
        self.start(_once(action), seconds)

    def every(self, seconds: float, action: Callable[[], object], while_: Callable[[], bool]) -> None:
        """Run an action every ``seconds`` as long as the condition holds."""
        self.start(_again(seconds, action, while_), seconds)

    def advance(self, to: float) -> None:
        """Run everything that is due until then."""
        while self._due and self._due[0][0] <= to:
            self.now, _, process = heapq.heappop(self._due)
            pause = next(process, None)
            if pause is not None:
                heapq.heappush(self._due, (self.now + pause, next(self._numbers), process))
        self.now = max(self.now, to)


def _once(action: Callable[[], object]) -> Process:
    yield from ()  # makes it a generator
    action()


def _again(seconds: float, action: Callable[[], object], while_: Callable[[], bool]) -> Process:
    while while_():
        action()
        yield seconds
