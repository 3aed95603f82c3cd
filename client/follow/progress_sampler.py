"""Estimates how far a run is from a few pages of the ledger, so that following it costs the same whatever its size.

A chunk's shard is its number modulo the shard count, so every shard is a fair sample of the run: the shards that were
read last stand for those that were not read lately. A chunk that was seen DONE is not counted again, and the chunks
before a shard's first one that is not DONE are not read again. A page is a Query of at most 1 MB, which is billed as
128 read units at the most.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudkon.model import ChunkRecord, ChunkState, ChunkSummary, Result, Run
from cloudkon.ports import Ledger

from ..records.run_records import read_page
from .run_counts import RunCounts

FRESH_SECONDS = 45.0
"""For how long the counts of a shard that was read count as exact."""
_SAMPLE = 8
"""Number of shards, those read last, from which the others are estimated."""
_ENDS = ("succeeded", "failed", "cancelled")


@dataclass(slots=True)
class _Shard:
    """The counts of one shard.

    ``seen`` has a byte a chunk: 1 once it was DONE. ``done`` counts these chunks and ``open`` the others, as of the
    last whole reading. ``reading_done`` and ``reading_open`` count what the current reading, which continues at chunk
    ``resume``, has found so far. Times are monotonic seconds.
    """

    number: int
    seen: bytearray
    done: RunCounts
    open: RunCounts
    reading_done: RunCounts
    reading_open: RunCounts
    first: int = 0
    resume: int = 0
    read_at: float = -math.inf

    @property
    def complete(self) -> bool:
        """Whether every chunk of the shard is DONE."""
        return self.first == len(self.seen)

    @property
    def ended(self) -> int:
        """The shard's tasks that are known to have ended."""
        return self.done.ended + self.open.ended


@dataclass(frozen=True, slots=True)
class Estimate:
    """A run's tasks by state; ``exact`` tells whether every shard was read within ``FRESH_SECONDS``.

    The ``unknown`` tasks are those of the chunks that were read and whose item can't be right.
    """

    succeeded: int
    failed: int
    cancelled: int
    running: int
    waiting: int
    exact: bool
    unknown: int = 0

    @property
    def ended(self) -> int:
        """Tasks that have a result."""
        return self.succeeded + self.failed + self.cancelled


@dataclass(slots=True)
class ProgressSampler:
    """Counts what was read of a run so far. ``on_result`` is called once for each result, when its chunk is DONE."""

    run: Run
    on_result: Callable[[Result], None] = lambda _result: None
    _shards: list[_Shard] = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing read."""
        self._shards = []
        for number in range(self.run.shards):
            chunks = len(range(number, self.run.chunk_count, self.run.shards))
            done, others, reading_done, reading_open = (RunCounts(self.run) for _ in range(4))
            self._shards.append(_Shard(number, bytearray(chunks), done, others, reading_done, reading_open))

    @property
    def complete(self) -> bool:
        """Whether every task has its result."""
        return all(shard.complete for shard in self._shards)

    @property
    def pages_left(self) -> int:
        """Pages that one more reading of the whole run takes, if the rest of each shard fits one page."""
        return sum(not shard.complete for shard in self._shards)

    def due(self, now: float) -> bool:
        """Whether a shard that is not complete was last read before monotonic time ``now``."""
        return any(not shard.complete and shard.read_at < now for shard in self._shards)

    async def read(self, ledger: Ledger, pages: int, wall: float, now: float) -> None:
        """Read some pages, the least recently read shards first; ``wall`` is epoch time, ``now`` monotonic."""
        for _ in range(pages):
            waiting = [shard for shard in self._shards if not shard.complete and shard.read_at < now]
            if not waiting:
                return
            shard = min(waiting, key=lambda shard: shard.read_at)
            await self._read_page(ledger, shard, wall, now)

    async def _read_page(self, ledger: Ledger, shard: _Shard, wall: float, now: float) -> None:
        first = shard.resume or shard.first
        begin = shard.number + first * self.run.shards
        page = await read_page(ledger, self.run, shard.number, begin, shard.reading_open.faults)
        for record in page.records:
            self._count(shard, record, wall)
        if page.following is not None:
            # The first place in the shard that is not before that chunk.
            shard.resume = -(-(page.following - shard.number) // self.run.shards)
            return
        unseen = shard.seen.find(0, shard.first)
        shard.first = unseen if unseen >= 0 else len(shard.seen)
        shard.done.merge(shard.reading_done)
        shard.open = shard.reading_open
        shard.reading_done, shard.reading_open = RunCounts(self.run), RunCounts(self.run)
        shard.resume, shard.read_at = 0, now

    def _count(self, shard: _Shard, record: ChunkRecord, wall: float) -> None:
        place = record.key.number // self.run.shards
        if shard.seen[place]:
            return
        if record.state is not ChunkState.DONE:
            shard.reading_open.add(ChunkSummary.of(record), wall)
            return
        shard.seen[place] = 1
        shard.reading_done.add(ChunkSummary.of(record), wall)
        for result in record.progress.results:
            self.on_result(result)

    def counts(self) -> RunCounts:
        """Return the counts of what was read, without any estimate."""
        total = RunCounts(self.run)
        for shard in self._shards:
            total.merge(shard.done)
            total.merge(shard.open)
        return total

    def estimate(self, now: float) -> Estimate:
        """Estimate the counts of the whole run at monotonic time ``now``."""
        known = self.counts()
        stale = [shard for shard in self._shards if not shard.complete and shard.read_at < now - FRESH_SECONDS]
        if not stale:
            return _estimate(known, {}, exact=True)
        sample, tasks = self._sample()
        if not tasks:
            return _estimate(known, {}, exact=False)
        missing = sum(max(0.0, self._tasks(shard) * sample.ended / tasks - shard.ended) for shard in stale)
        ended = max(1, sample.ended)
        guesses = {state: round(missing * getattr(sample, state) / ended) for state in _ENDS}
        running = round(sum(self._tasks(shard) for shard in stale) * sample.running / tasks)
        guesses["running"] = running - sum(shard.open.running for shard in stale)
        return _estimate(known, guesses, exact=False)

    def _sample(self) -> tuple[RunCounts, float]:
        """Return the counts of the shards that were read last, and the number of their tasks."""
        sample, tasks = RunCounts(self.run), 0.0
        for shard in sorted(self._shards, key=lambda shard: -shard.read_at)[:_SAMPLE]:
            if shard.read_at > -math.inf:
                sample.merge(shard.done)
                sample.merge(shard.open)
                tasks += self._tasks(shard)
        return sample, tasks

    def _tasks(self, shard: _Shard) -> float:
        return len(shard.seen) * self.run.count / max(1, self.run.chunk_count)


def _estimate(known: RunCounts, more: dict[str, int], *, exact: bool) -> Estimate:
    counts = {state: getattr(known, state) + more.get(state, 0) for state in (*_ENDS, "running")}
    counts["running"] = max(0, counts["running"])
    waiting = max(0, known.run.count - sum(counts.values()) - known.unknown)
    return Estimate(**counts, waiting=waiting, exact=exact, unknown=known.unknown)
