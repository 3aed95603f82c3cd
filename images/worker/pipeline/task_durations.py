"""Estimates from how long tasks took lately how much work the slots need and how long it will last."""

import heapq
import math

import trio

_WEIGHT = 0.1
"""Weight of the newest duration in the moving average."""
_LONG_SECONDS = 2.0
"""Least seconds after which a task counts as long: to keep slots free for two seconds costs little."""
_LONG_AVERAGES = 2.0
"""A task counts as long after this number of average durations; tasks of one kind seldom take so much longer."""
_SHORTEST_SECONDS = 1e-6
"""Least duration that a task is taken to have."""


class TaskDurations:
    """The moving average of attempts' durations, and since when each busy slot has been running its task."""

    def __init__(self, slots: int) -> None:
        """Start without a duration, for a worker with this number of slots."""
        self.slots = slots
        """Number of slots that can run a task."""
        self.average: float | None = None
        """Seconds an attempt takes, as a moving average; ``None`` before the first one has ended."""
        self._started: dict[int, float] = {}
        self._held_since: float | None = None
        """Since when the free slots wait for a careful chunk, by trio's clock; ``None`` while they don't."""

    @property
    def running(self) -> int:
        """Number of slots that run a task or wait for a careful chunk, whose tasks run alone."""
        return self.slots if self._keeps_slots_free else len(self._started)

    @property
    def holding(self) -> bool:
        """Whether a careful chunk waits for the slots, or runs."""
        return self._held_since is not None

    @property
    def is_overtakable(self) -> bool:
        """Whether free slots may run other tasks although a careful chunk waits.

        They may while it waits for a long task that began before it came. What starts meanwhile delays it by one task
        at most, because nothing more starts once those long tasks have ended.
        """
        if self._held_since is None:
            return False
        long = max(_LONG_SECONDS, _LONG_AVERAGES * (self.average or 0.0))
        since = trio.current_time() - long
        return any(began < self._held_since and began <= since for began in self._started.values())

    @property
    def _keeps_slots_free(self) -> bool:
        return self.holding and not self.is_overtakable

    def hold_slots(self) -> None:
        """A careful chunk waits: count the free slots as busy from now on, while it may not be overtaken."""
        if self._held_since is None:
            self._held_since = trio.current_time()

    def release_slots(self) -> None:
        """Count free slots as free again."""
        self._held_since = None

    def start(self, slot: int, now: float) -> None:
        """Note that a slot began an attempt, at trio's time ``now``."""
        self._started[slot] = now

    def end(self, slot: int, seconds: float | None) -> None:
        """Note that a slot ended an attempt after ``seconds``; ``None`` if the attempt was stopped early."""
        self._started.pop(slot, None)
        if seconds is not None:
            self.average = seconds if self.average is None else self.average + _WEIGHT * (seconds - self.average)

    def shortage(self, queued: int, seconds: float) -> int:
        """Return how many tasks more than ``queued`` keep every slot busy for ``seconds``; 0 if unknown."""
        if self.average is None:
            return 0
        length = max(self.average, _SHORTEST_SECONDS)
        return sum(math.ceil(max(0.0, seconds - end) / length) for end in self._free_in(self.average)) - queued

    def supply(self, queued: int) -> float:
        """Return for how many seconds ``queued`` tasks keep every slot busy; 0 if unknown."""
        if self.average is None or not self.slots:
            return 0.0
        ends = sorted(self._free_in(self.average))
        if queued < self.slots:
            for _ in range(queued):
                heapq.heapreplace(ends, ends[0] + self.average)
            return ends[0]
        # Every slot gets some of the tasks, so the work is levelled out over the slots in one pass: the time that this
        # takes does not grow with the number of tasks.
        work = queued * self.average
        for count, after in enumerate([*ends[1:], math.inf], start=1):
            work += ends[count - 1]
            if work / count <= after:
                break
        return work / count

    def _free_in(self, average: float) -> list[float]:
        """Return in how many seconds each slot will be free, as far as an average can tell.

        A task that has run for longer than the average is expected to run for as long again. It is of another kind, and
        the tasks that would wait behind it should stay on the queue, where other workers find them.
        """
        now = trio.current_time()
        ran = [now - since for since in self._started.values()]
        if self._held_since is not None and self._keeps_slots_free:
            ran += [now - self._held_since] * (self.slots - len(ran))
        busy = [average - seconds if seconds < average else seconds for seconds in ran]
        return busy + [0.0] * (self.slots - len(busy))
