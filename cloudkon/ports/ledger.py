"""Ledger: the table that keeps duplicates out. It stores and compares; what to write is ``cloudkon.protocol``'s."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, Run

STATEMENTS = 25
"""Statements in one ``BatchExecuteStatement`` (DynamoDB API reference)."""


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a record where none is; refused where one is."""

    record: ChunkRecord

    @property
    def key(self) -> ChunkKey:
        """Whose item it writes."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Update:
    """Replace a record that is as expected; refused where it is not, or where none is.

    ``owner`` and ``attempt`` must be as given, ``state`` too unless it is ``None``. ``lease_end`` must be exactly
    as given, and not later than ``lease_not_after``, where these are not ``None``.
    """

    record: ChunkRecord
    owner: str
    attempt: int
    state: ChunkState | None = ChunkState.CLAIMED
    lease_end: int | None = None
    lease_not_after: int | None = None

    @property
    def key(self) -> ChunkKey:
        """Whose item it writes."""
        return self.record.key

    def admits(self, found: ChunkRecord) -> bool:
        """Whether the record found is the one expected. Adapters in memory use it, the one on AWS says the same."""
        return (
            found.owner == self.owner
            and found.attempt == self.attempt
            and (self.state is None or found.state is self.state)
            and (self.lease_end is None or found.lease_end == self.lease_end)
            and (self.lease_not_after is None or found.lease_end <= self.lease_not_after)
        )


@dataclass(frozen=True, slots=True)
class Read:
    """Read a record, strongly consistent."""

    key: ChunkKey


Write = Insert | Update
Request = Write | Read


class WriteOutcome(Enum):
    """What became of one write of a batch."""

    WRITTEN = "written"
    """The item is as asked."""
    REFUSED = "refused"
    """The condition was false: only this may mean "someone else"."""
    FAILED = "failed"
    """Throttled or broken, or the answer was lost: it may or may not have taken effect."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of one shard in chunk order; ``more`` tells whether any may follow the last of them."""

    records: tuple[ChunkRecord, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """The outlines of some records of one shard in chunk order; ``more`` as for a ``Page``."""

    summaries: tuple[ChunkSummary, ...]
    more: bool


class Ledger(Protocol):
    """Chunk records and runs.

    ``write`` and ``read`` take up to ``STATEMENTS`` entries, each of another chunk, and give each its own outcome.
    A whole call that fails raises ``Unavailable`` (it may have taken effect), ``AccessDenied`` or ``NoFleet``.
    """

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Carry out conditional writes; not as one transaction."""
        ...

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        """The records of these chunks, or ``None`` where there is none."""
        ...

    async def create_run(self, run: Run) -> Run:
        """Write the run if its id is free; give the run that the ledger then holds."""
        ...

    async def read_run(self, run_id: str) -> Run | None:
        """The run of that id, or ``None``."""
        ...

    async def cancel_run(self, run_id: str) -> bool:
        """Set the run's cancelled flag; ``False`` where there is no such run."""
        ...

    def runs(self) -> AsyncGenerator[Run, None]:
        """The runs there are, the one that started last first (eventually consistent).

        Whoever stops early closes it, by ``contextlib.aclosing``.
        """
        ...

    def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        """All records of a run, shard by shard in chunk order, a page at a time (eventually consistent)."""
        ...

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        """One page of a shard's records from chunk number ``first`` on (eventually consistent): one request."""
        ...

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        """The same page in outline, for whoever only counts: a fraction of the bytes and of the reading."""
        ...
