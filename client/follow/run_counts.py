"""Counts a run's tasks by state from the ledger alone. A chunk has one item there, so no task counts twice."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from cloudkon.errors import CloudKonError
from cloudkon.model import ChunkState, ChunkSummary, Run
from cloudkon.ports import Ledger

from ..records.run_records import ItemFaults, read_summaries

READERS = 8
"""Shards that are read at a time: enough to hide a request's latency, with few pages in memory."""


@dataclass(slots=True)
class RunCounts:
    """A run's tasks by state.

    ``waiting`` tasks have no worker; ``running`` tasks are in a chunk that a worker holds. ``first_start`` and
    ``last_end`` are epoch seconds by the workers' clocks (0.0 before the first start), ``busy_seconds`` is the sum of
    the seconds that the recorded attempts took. Items that can't be right are in ``faults`` and nowhere else.
    """

    run: Run
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    first_start: float = 0.0
    last_end: float = 0.0
    busy_seconds: float = 0.0
    faults: ItemFaults = field(default_factory=ItemFaults)

    def add(self, summary: ChunkSummary, now: float) -> None:
        """Count a chunk; its lease has expired if it ends before ``now`` (epoch seconds)."""
        self._add(summary)
        if summary.state is ChunkState.CLAIMED and summary.lease_end > now * 1000:
            self.running += summary.tasks - summary.ended

    def merge(self, other: "RunCounts") -> None:
        """Add the counts of other chunks of the same run."""
        self._add(other)
        self.running += other.running
        self.faults.merge(other.faults)

    def _add(self, other: "ChunkSummary | RunCounts") -> None:
        if other.first_start:
            self.first_start = min(self.first_start or other.first_start, other.first_start)
        self.last_end = max(self.last_end, other.last_end)
        self.busy_seconds += other.busy_seconds
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.cancelled += other.cancelled

    @property
    def ended(self) -> int:
        """Tasks that have a result."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def waiting(self) -> int:
        """Tasks without a result that no worker runs."""
        return self.run.count - self.ended - self.running - self.unknown

    @property
    def unknown(self) -> int:
        """Tasks of chunks whose item in the ledger can't be right."""
        return self.faults.unknown

    @property
    def only_unknown_left(self) -> bool:
        """Whether every task has a result, but for some of which the state is unknown."""
        return self.unknown > 0 and self.ended + self.unknown == self.run.count

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
        """Seconds from the first start to the last end."""
        return self.last_end - self.first_start

    @property
    def tasks_per_second(self) -> float | None:
        """Tasks with a result per second; ``None`` where no time has passed."""
        return self.ended / self.seconds if self.seconds > 0 else None


async def count_tasks(ledger: Ledger, run: Run, now: float, on_shard: Callable[[], None] = lambda: None) -> RunCounts:
    """Count a run's tasks, ``READERS`` shards at a time; ``on_shard`` is called after each shard.

    Raises what the ledger raises.
    """
    counts = RunCounts(run)
    failures: list[CloudKonError] = []
    left = iter(range(run.shards))

    async def read_some(scope: trio.CancelScope) -> None:
        try:
            for shard in left:
                await _read_shard(ledger, counts, shard, now)
                on_shard()
        except CloudKonError as error:
            failures.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(READERS):
            nursery.start_soon(read_some, nursery.cancel_scope)
    if failures:
        raise failures[0]
    return counts


async def _read_shard(ledger: Ledger, counts: RunCounts, shard: int, now: float) -> None:
    first: int | None = 0
    while first is not None:
        page = await read_summaries(ledger, counts.run, shard, first, counts.faults)
        for summary in page.records:
            counts.add(summary, now)
        first = page.following
