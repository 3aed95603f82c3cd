"""Agenda: which task runs next, and what is known of how long tasks take."""

import heapq
import math
from collections import deque
from collections.abc import Callable

import trio

from cloudkon.model import Task

from .claimed_chunk import ClaimedChunk

_WEIGHT = 0.1
"""Of the newest duration in the moving average."""
_SHORTEST = 1e-6
"""Seconds that a task counts for at the least."""


class ReadyQueue:
    """The claimed chunks in the order they came; slots take tasks from the first one that has any."""

    def __init__(self, slots: int, on_slot_idle: Callable[[], None]) -> None:
        """For a worker of so many slots; ``on_slot_idle`` is called whenever one of them finds nothing to run."""
        self.slots = slots
        self._on_slot_idle = on_slot_idle
        self.free = 0
        """Slots that wait for a task."""
        self.average: float | None = None
        """Seconds an attempt takes, as a moving average; ``None`` before the first one ended."""
        self._ready: deque[ClaimedChunk] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False
        self._started: dict[int, float] = {}

    @property
    def busy(self) -> bool:
        """Whether a task runs or could run."""
        return bool(self._ready) or self.free < self.slots

    def add(self, holding: ClaimedChunk) -> None:
        """A holding that has pending tasks."""
        if not self._closed:
            self._ready.append(holding)
            self._lot.unpark(count=min(len(holding.pending), self.slots))

    def close(self) -> None:
        """Start nothing any more."""
        self._closed = True
        self._ready.clear()

    async def take(self) -> tuple[ClaimedChunk, Task]:
        """Wait for the next task to run."""
        self.free += 1
        try:
            while True:
                if found := self._first():
                    return found
                self._on_slot_idle()
                await self._lot.park()
        finally:
            self.free -= 1

    def take_nowait(self) -> tuple[ClaimedChunk, Task] | None:
        """The next task to run, if there is one now."""
        return self._first()

    def _first(self) -> tuple[ClaimedChunk, Task] | None:
        for _ in range(len(self._ready)):
            holding = self._ready[0]
            if not holding.pending:
                self._ready.popleft()
            elif holding.careful and not holding.idle:
                self._ready.rotate(-1)
            else:
                task = holding.pending.popleft()
                if not holding.pending:
                    self._ready.popleft()
                return holding, task
        return None

    def started(self, slot: int, now: float) -> None:
        """A slot began an attempt, at trio's time ``now``."""
        self._started[slot] = now

    def ended(self, slot: int, seconds: float | None) -> None:
        """A slot ended an attempt that took so long, or broke it off (``None``)."""
        self._started.pop(slot, None)
        if seconds is not None:
            self.average = seconds if self.average is None else self.average + _WEIGHT * (seconds - self.average)

    def wake(self) -> None:
        """A careful holding's next task may start now."""
        self._lot.unpark()

    @property
    def running(self) -> int:
        """Slots that run a task."""
        return len(self._started)

    def shortage(self, queued: int, seconds: float) -> int:
        """How many tasks beside those ``queued`` it takes to keep every slot busy for so long; 0 if unknown."""
        if self.average is None:
            return 0
        length = max(self.average, _SHORTEST)
        return sum(math.ceil(max(0.0, seconds - end) / length) for end in self._ends(self.average)) - queued

    def supply(self, queued: int) -> float:
        """For how many seconds no slot will be without a task, with so many ``queued``; 0 if unknown."""
        if self.average is None:
            return 0.0
        ends = sorted(self._ends(self.average))
        if queued < self.slots:
            for _ in range(queued):
                heapq.heapreplace(ends, ends[0] + self.average)
            return ends[0]
        # Each has some: shared out like water, so that many tasks cost no more time to reckon than few.
        work = queued * self.average
        for count, after in enumerate([*ends[1:], math.inf], start=1):
            work += ends[count - 1]
            if work / count <= after:
                break
        return work / count

    def _ends(self, average: float) -> list[float]:
        """In how many seconds each slot will be free, as far as an average tells.

        A task that has outlived the average is taken to last as long again as it has: it is of another kind, and what
        waits behind it had better wait on the queue, where others find it.
        """
        now = trio.current_time()
        ran = [now - since for since in self._started.values()]
        busy = [average - seconds if seconds < average else seconds for seconds in ran]
        return busy + [0.0] * (self.slots - len(busy))
