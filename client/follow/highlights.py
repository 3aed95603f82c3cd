"""Highlights: what of a run's results is worth showing while it goes on."""

import heapq
from collections import Counter
from dataclasses import dataclass, field

from cloudkon.model import Result, Run

from ..results.failures import Failures

SLOWEST = 3
"""Tasks that are kept as the slowest."""
MOST_WORKERS = 10_000
"""Workers whose last result is remembered; beyond, those that were silent longest are forgotten."""


@dataclass(slots=True)
class Highlights:
    """The slowest tasks, the failures, and the workers by what they said last; each in bounded memory."""

    run: Run
    failures: Failures = field(default_factory=Failures)
    _slowest: list[tuple[float, int, Result]] = field(default_factory=list)
    _heard: dict[tuple[str, str], float] = field(default_factory=dict)
    _seconds: float = 0.0
    _seen: int = 0

    def add(self, result: Result) -> None:
        """Take a result into account."""
        self.failures.add(result)
        self._seconds += result.seconds
        self._seen += 1
        entry = (result.seconds, result.task.seq, result)
        if len(self._slowest) < SLOWEST:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)
        if result.worker:
            who = (self._pool(result.task.seq), result.worker)
            self._heard[who] = max(self._heard.get(who, 0.0), result.finished)
            if len(self._heard) > 2 * MOST_WORKERS:
                self._heard = dict(heapq.nlargest(MOST_WORKERS, self._heard.items(), key=lambda item: item[1]))

    def slowest(self) -> list[Result]:
        """The tasks that ran longest, the slowest first."""
        return [result for _, _, result in sorted(self._slowest, key=lambda entry: (-entry[0], entry[1]))]

    @property
    def task_seconds(self) -> float:
        """What a task took on average; 0 before the first one."""
        return self._seconds / max(1, self._seen)

    def workers(self, since: float) -> dict[str, int]:
        """How many workers of each pool ended a task after ``since`` (epoch seconds, by the workers' clocks)."""
        counts = Counter(pool for (pool, _), heard in self._heard.items() if heard >= since)
        return {part.pool: counts[part.pool] for part in self.run.ranges}

    def _pool(self, seq: int) -> str:
        return next((part.pool for part in self.run.ranges if part.first <= seq < part.first + part.count), "")
