"""Declares the ledger: the table of runs and chunk records, which prevents duplicate results.

The ledger compares and stores; ``cloudkon.protocol`` decides what to write.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, Run

STATEMENTS = 25
"""Statements in one ``BatchExecuteStatement`` (DynamoDB API reference)."""


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a new record. The ledger refuses it if the chunk already has one."""

    record: ChunkRecord

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Update:
    """Replace a record. The ledger refuses it if the existing record is not as expected, or if there is none.

    The existing record must have this ``owner`` and ``attempt``, and this ``state`` and ``lease_end`` unless they are
    ``None``. Its lease must not end after ``lease_not_after`` unless that is ``None``. Both are epoch milliseconds.
    """

    record: ChunkRecord
    owner: str
    attempt: int
    state: ChunkState | None = ChunkState.CLAIMED
    lease_end: int | None = None
    lease_not_after: int | None = None

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.record.key

    def admits(self, found: ChunkRecord) -> bool:
        """Whether the existing record is as expected. The adapter on AWS has the same conditions as a statement."""
        return (
            found.owner == self.owner
            and found.attempt == self.attempt
            and (self.state is None or found.state is self.state)
            and (self.lease_end is None or found.lease_end == self.lease_end)
            and (self.lease_not_after is None or found.lease_end <= self.lease_not_after)
        )


@dataclass(frozen=True, slots=True)
class Read:
    """Read a record with strong consistency."""

    key: ChunkKey


Write = Insert | Update
Request = Write | Read


class WriteOutcome(Enum):
    """The outcome of one write of a batch."""

    WRITTEN = "written"
    """The record is written."""
    REFUSED = "refused"
    """The condition was false. Only this outcome may mean that another worker has the chunk."""
    FAILED = "failed"
    """The write was throttled or failed, or its response was lost. It may have taken effect."""
    IMPOSSIBLE = "impossible"
    """The ledger will never accept the record (an item over 400 KB), so to repeat the write is useless."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of one shard in chunk order. ``more`` is whether others may follow the last of them.

    ``last`` is the number up to which chunks were read, if it is not that of the last record.
    """

    records: tuple[ChunkRecord, ...]
    more: bool
    last: int | None = None


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """The summaries of some records of one shard in chunk order. ``more`` and ``last`` are those of a ``Page``."""

    summaries: tuple[ChunkSummary, ...]
    more: bool
    last: int | None = None


class Ledger(Protocol):
    """Chunk records and runs.

    ``write`` and ``read`` accept up to ``STATEMENTS`` entries, each of another chunk, and return one outcome for each
    entry, in the same order. More entries, or a chunk twice, raise ``ValueError``. A call that fails as a whole raises
    ``Unavailable`` (it may have taken effect), ``AccessDenied`` or ``NoFleet``.
    """

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Carry out conditional writes. They are not one transaction: some may succeed and others not."""
        ...

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        """Return the records of these chunks, with ``None`` for a chunk without a record."""
        ...

    async def create_run(self, run: Run) -> Run:
        """Write the run if its id is free. Returns the run that the ledger then has under that id."""
        ...

    async def read_run(self, run_id: str) -> Run | None:
        """Return the run with that id, or ``None``."""
        ...

    async def cancel_run(self, run_id: str) -> bool:
        """Set the run's cancelled flag. Returns ``False`` if there is no such run."""
        ...

    def runs(self) -> AsyncGenerator[Run, None]:
        """Iterate over all runs, newest first (eventually consistent).

        A caller that stops early must close the iterator, for example with ``contextlib.aclosing``.
        """
        ...

    def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        """Iterate over all records of a run, shard by shard in chunk order, page by page (eventually consistent)."""
        ...

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        """Read one page of a shard's records, from chunk number ``first`` on (one request, eventually consistent)."""
        ...

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        """Read the same page as summaries, for callers that only count: it costs a fraction of the time and bytes."""
        ...
