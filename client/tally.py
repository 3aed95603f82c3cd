"""Tally: a run's tasks by state, counted from the ledger alone. A chunk has one item there, so none counts twice."""

from dataclasses import dataclass

from cloudkon.ports import Ledger
from cloudkon.words import ChunkState, Record, Run, TaskState


@dataclass(slots=True)
class Tally:
    """How far a run is.

    ``waiting`` tasks have no worker, ``running`` ones are in a chunk that a worker holds. ``first_start`` and
    ``last_end`` are epoch seconds by the workers' clocks (0.0 before there is one), ``busy_seconds`` is what the
    attempts that counted took together.
    """

    run: Run
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    first_start: float = 0.0
    last_end: float = 0.0
    busy_seconds: float = 0.0

    def add(self, record: Record, now: float) -> None:
        """Count a chunk's record; ``now`` in epoch seconds tells whether a lease is over."""
        for result in record.progress.results:
            if result.started:
                self.first_start = min(self.first_start or result.started, result.started)
                self.last_end = max(self.last_end, result.finished)
            self.busy_seconds += result.seconds
        self.succeeded += record.progress.count(TaskState.SUCCEEDED)
        self.failed += record.progress.count(TaskState.FAILED)
        self.cancelled += record.progress.count(TaskState.CANCELLED)
        if record.state is ChunkState.CLAIMED and record.lease_end > now * 1000:
            self.running += record.tasks - len(record.progress.results)

    @property
    def ended(self) -> int:
        """Tasks that have a result."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def waiting(self) -> int:
        """Tasks that nobody runs."""
        return self.run.count - self.ended - self.running

    @property
    def complete(self) -> bool:
        """Whether every task has a result."""
        return self.ended == self.run.count

    @property
    def all_succeeded(self) -> bool:
        """Whether every task succeeded."""
        return self.succeeded == self.run.count

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        return self.last_end - self.first_start

    @property
    def tasks_per_second(self) -> float | None:
        """Tasks with a result a second, or ``None`` where nothing took any time."""
        return self.ended / self.seconds if self.seconds > 0 else None


async def tally(ledger: Ledger, run: Run, now: float) -> Tally:
    """Count a run's tasks. Raises what the ledger raises."""
    found = Tally(run)
    async for record in ledger.records(run):
        found.add(record, now)
    return found
