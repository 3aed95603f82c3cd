"""Reads the records of a run, and keeps apart the items that can't be right. All readers of a run read here.

Whoever can send a message can make a worker write an item for a chunk that the run does not have, or with other tasks.
Such an item, and one that can't be read, is not counted: it is named, and the run's other items are read as ever.
"""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from cloudkon.backoff import BRIEF, Backoff, persist
from cloudkon.errors import CloudKonError
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, Run
from cloudkon.ports import Ledger
from cloudkon.ports.ledger import Page, SummaryPage
from cloudkon.protocol import LONGEST_HOLD_MS

T = TypeVar("T")
MOST_NAMED = 5
"""Items that are named; further ones are counted."""


@dataclass(slots=True)
class ItemFaults:
    """The items of a run that are not counted. ``unknown`` tasks are those of chunks whose item is among them."""

    count: int = 0
    unknown: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, run: Run, shard: int, number: int, fault: str) -> None:
        """Include the item of a chunk number in a shard."""
        self.count += 1
        place = run.place(number) if number % run.shards == shard else None
        self.unknown += place.tasks if place else 0
        if len(self.named) < MOST_NAMED:
            self.named.append(f"item {run.id}#{shard} {number} is not counted: {fault}")

    def merge(self, other: "ItemFaults") -> None:
        """Include the items of another part of the same run."""
        self.count += other.count
        self.unknown += other.unknown
        self.named = (self.named + other.named)[:MOST_NAMED]

    def lines(self) -> list[str]:
        """Name the items, each in a line."""
        more = self.count - len(self.named)
        return self.named + ([f"{more:,} more items are not counted"] if more else [])


class ItemsUnreadable(CloudKonError):
    """The rest of a run's results can't be read: other programs have written the items of these chunks."""

    def __init__(self, run: Run, faults: ItemFaults) -> None:
        """Name the run, how many of its tasks are in an unknown state, and the first items."""
        tasks = "1 task is" if faults.unknown == 1 else f"{faults.unknown:,} tasks are"
        super().__init__(f"run {run.id}: the state of {tasks} unknown: {'; '.join(faults.lines())}")

    def __reduce__(self) -> tuple[type[CloudKonError], tuple[str]]:
        """Pickle the text: another process gets a ``CloudKonError`` with the same message."""
        return CloudKonError, (str(self),)


@dataclass(frozen=True, slots=True)
class RunPage(Generic[T]):
    """Some sound records of one shard in chunk order; the next page begins at chunk ``following``, if not ``None``."""

    records: tuple[T, ...]
    following: int | None


async def read_page(ledger: Ledger, run: Run, shard: int, first: int, faults: ItemFaults) -> RunPage[ChunkRecord]:
    """Read one page of a shard's records, from chunk number ``first`` on. Raises what the ledger raises."""
    page = await ledger.page(run, shard, first)
    return _sound(run, shard, first, page, [(record, ChunkSummary.of(record)) for record in page.records], faults)


async def read_summaries(ledger: Ledger, run: Run, shard: int, first: int, faults: ItemFaults) -> RunPage[ChunkSummary]:
    """Read the same page as summaries, for readers that only count. Raises what the ledger raises."""
    page = await ledger.summaries(run, shard, first)
    return _sound(run, shard, first, page, [(summary, summary) for summary in page.summaries], faults)


async def read_records(ledger: Ledger, run: Run, faults: ItemFaults) -> AsyncIterator[ChunkRecord]:
    """Iterate over the records of a run, shard by shard in chunk order, a page at a time in memory."""
    for shard in range(run.shards):
        first: int | None = 0
        while first is not None:
            page = await read_page(ledger, run, shard, first, faults)
            for record in page.records:
                yield record
            first = page.following


async def read_chunks(
    ledger: Ledger, run: Run, numbers: Sequence[int], backoff: Backoff = BRIEF
) -> list[ChunkRecord | None]:
    """Read the records of some chunks in one request; ``None`` for a chunk that has no sound record."""
    keys = [ChunkKey(run.id, number, run.shards) for number in numbers]
    found = await persist(partial(ledger.read, keys), backoff)
    return [
        record if record and not _fault(run, record.key.number % run.shards, ChunkSummary.of(record)) else None
        for record in found
    ]


def _sound(
    run: Run, shard: int, first: int, page: Page | SummaryPage, found: list[tuple[T, ChunkSummary]], faults: ItemFaults
) -> RunPage[T]:
    """Return the sound ones of a page's records, which are ``found`` with their summaries; add the others to faults."""
    sound = []
    for record, summary in found:
        if fault := _fault(run, shard, summary):
            faults.add(run, shard, summary.number, fault)
        else:
            sound.append(record)
    last = found[-1][1].number if page.last is None and found else page.last
    # Behind the run's last chunk are only items that are not counted: one page of them is enough.
    if not page.more or last is None or last >= run.chunk_count:
        return RunPage(tuple(sound), None)
    return RunPage(tuple(sound), max(first, last) + 1)


def _fault(run: Run, shard: int, found: ChunkSummary) -> str:
    """Say why an item is not one of the run; empty if it is."""
    place = run.place(found.number)
    if place is None or found.number % run.shards != shard:
        return f"run {run.id} has no such chunk" + (f" ({found.fault})" if found.fault else "")
    if found.fault or found.tasks != place.tasks:
        return found.fault or f"it has {found.tasks:,} tasks, and the chunk has {place.tasks:,}"
    if found.state is ChunkState.CLAIMED and found.lease_end > time.time() * 1000 + LONGEST_HOLD_MS:
        return "its lease ends later than any worker's can"
    # As workers do, which refuse an item that names a failed or suspected task of another chunk.
    if found.highest >= 0 and not (place.first <= found.lowest and found.highest < place.first + place.tasks):
        return f"it names tasks {found.lowest} to {found.highest}, and the chunk begins at {place.first}"
    if found.ended > found.tasks or (found.state is ChunkState.DONE and found.ended < found.tasks):
        return f"it has {found.ended:,} results of {found.tasks:,} tasks, and is {found.state}"
    return ""
