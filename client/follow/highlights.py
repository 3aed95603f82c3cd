"""Collects what ``watch`` shows of a run's results: the slowest tasks, the failures, the workers."""

import heapq
from collections import Counter
from dataclasses import dataclass, field

from cloudkon.model import Result, Run

from ..results.failures import Failures

SLOWEST = 3
"""How many of the slowest tasks are kept."""
MOST_WORKERS = 10_000
"""Workers whose last result's time is kept; of more, the least recently seen are dropped."""


@dataclass(slots=True)
class Highlights:
    """The slowest tasks, the failures, and when each worker's last result ended; each in bounded memory."""

    run: Run
    failures: Failures = field(default_factory=Failures)
    _slowest: list[tuple[float, int, Result]] = field(default_factory=list)
    _last_seen: dict[tuple[str, str], float] = field(default_factory=dict)
    _seconds: float = 0.0
    _seen: int = 0

    def add(self, result: Result) -> None:
        """Include a result."""
        self.failures.add(result)
        self._seconds += result.seconds
        self._seen += 1
        entry = (result.seconds, result.task.seq, result)
        if len(self._slowest) < SLOWEST:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)
        if result.worker:
            worker = (self._pool(result.task.seq), result.worker)
            self._last_seen[worker] = max(self._last_seen.get(worker, 0.0), result.finished)
            if len(self._last_seen) > 2 * MOST_WORKERS:
                self._last_seen = dict(heapq.nlargest(MOST_WORKERS, self._last_seen.items(), key=lambda item: item[1]))

    def slowest(self) -> list[Result]:
        """Return the tasks that ran longest, the slowest first."""
        return [result for _, _, result in sorted(self._slowest, key=lambda entry: (-entry[0], entry[1]))]

    @property
    def task_seconds(self) -> float:
        """Average seconds of a task; 0 before the first result."""
        return self._seconds / max(1, self._seen)

    def workers(self, since: float) -> dict[str, int]:
        """Return how many workers of each pool ended a task after ``since`` (epoch seconds, by the workers' clocks)."""
        counts = Counter(pool for (pool, _), seen in self._last_seen.items() if seen >= since)
        return {part.pool: counts[part.pool] for part in self.run.ranges}

    def _pool(self, seq: int) -> str:
        return next((part.pool for part in self.run.ranges if part.first <= seq < part.first + part.count), "")
