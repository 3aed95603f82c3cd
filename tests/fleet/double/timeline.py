"""Timeline: what happens by itself at AWS, in the order of its time, up to the moment that somebody looks."""

import heapq
import itertools
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The double's time zero: trio's virtual clock begins at 0 too."""
Process = Generator[float, None, None]
"""Does a thing in steps; yields how many seconds the next one is away."""


class Timeline:
    """Nothing runs beside the caller: ``advance`` makes up for the time since the last look."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since ``EPOCH``."""
        self._due: list[tuple[float, int, Process]] = []
        self._numbers = itertools.count()

    @property
    def moment(self) -> datetime:
        """Now as services write it."""
        return self.moment_at(self.now)

    def moment_at(self, seconds: float) -> datetime:
        """Another time, likewise."""
        return EPOCH + timedelta(seconds=seconds)

    def start(self, process: Process, delay: float = 0.0) -> None:
        """Have a process take its first step after that many seconds."""
        heapq.heappush(self._due, (self.now + delay, next(self._numbers), process))

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Have something done once."""
        self.start(_once(action), seconds)

    def every(self, seconds: float, action: Callable[[], object], while_: Callable[[], bool]) -> None:
        """Have something done again and again for as long as the condition holds."""
        self.start(_again(seconds, action, while_), seconds)

    def advance(self, to: float) -> None:
        """Let all happen that is due until then."""
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
