"""Implements the ledger in memory, with the conditions of DynamoDB's (``Update.admits``)."""

import heapq
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

import trio

from cloudkon.model import ChunkKey, ChunkRecord, ChunkSummary, Run
from cloudkon.ports.batch import check_chunks
from cloudkon.ports.ledger import Insert, Page, SummaryPage, Write, WriteOutcome

_PAGE = 1000
"""Records in one page, and between two checkpoints of ``records``."""


class MemoryLedger:
    """Holds records by partition and chunk number, as in the table, and runs by id. Nothing expires."""

    def __init__(self) -> None:
        """Make an empty ledger."""
        self._partitions: dict[str, dict[int, ChunkRecord]] = defaultdict(dict)
        self._runs: dict[str, Run] = {}

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Carry out conditional writes."""
        check_chunks([write.key for write in writes])
        await trio.lowlevel.checkpoint()
        return [self._write(write) for write in writes]

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        """Return the records of these chunks, with ``None`` for a chunk without a record."""
        check_chunks(keys)
        await trio.lowlevel.checkpoint()
        return [self._find(key) for key in keys]

    async def create_run(self, run: Run) -> Run:
        """Write the run if its id is free. Returns the run that the ledger then has under that id."""
        await trio.lowlevel.checkpoint()
        return self._runs.setdefault(run.id, run)

    async def read_run(self, run_id: str) -> Run | None:
        """Return the run with that id, or ``None``."""
        await trio.lowlevel.checkpoint()
        return self._runs.get(run_id)

    async def cancel_run(self, run_id: str) -> bool:
        """Set the run's cancelled flag. Returns ``False`` if there is no such run."""
        await trio.lowlevel.checkpoint()
        if run_id not in self._runs:
            return False
        self._runs[run_id] = replace(self._runs[run_id], cancelled=True)
        return True

    async def runs(self) -> AsyncGenerator[Run, None]:
        """Iterate over all runs, newest first."""
        await trio.lowlevel.checkpoint()
        for run in sorted(self._runs.values(), key=lambda run: run.started, reverse=True):
            yield run

    async def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        """Iterate over all records of a run, shard by shard in chunk order."""
        for shard in range(run.shards):
            chunks = self._shard(run, shard)
            for position, number in enumerate(sorted(chunks)):
                if position % _PAGE == 0:
                    await trio.lowlevel.checkpoint()
                yield chunks[number]
            await trio.lowlevel.checkpoint()

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        """Read one page of a shard's records, from chunk number ``first`` on."""
        await trio.lowlevel.checkpoint()
        chunks = self._shard(run, shard)
        found = heapq.nsmallest(_PAGE + 1, (number for number in chunks if number >= first))
        return Page(tuple(chunks[number] for number in found[:_PAGE]), more=len(found) > _PAGE)

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        """Read the same page as summaries."""
        page = await self.page(run, shard, first)
        return SummaryPage(tuple(ChunkSummary.of(record) for record in page.records), page.more)

    def _shard(self, run: Run, shard: int) -> Mapping[int, ChunkRecord]:
        return self._partitions.get(ChunkKey(run.id, shard, run.shards).partition, {})

    def _find(self, key: ChunkKey) -> ChunkRecord | None:
        return self._partitions.get(key.partition, {}).get(key.number)

    def _write(self, write: Write) -> WriteOutcome:
        found = self._find(write.key)
        admitted = found is None if isinstance(write, Insert) else found is not None and write.admits(found)
        if not admitted:
            return WriteOutcome.REFUSED
        self._partitions[write.key.partition][write.key.number] = write.record
        return WriteOutcome.WRITTEN
