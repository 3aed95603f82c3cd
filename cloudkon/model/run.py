"""Defines a run: all tasks of one push."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

from cloudkon.model.chunk import ChunkKey
from cloudkon.model.priority import Priority

CHUNKS_PER_SHARD = 256
"""Chunks per ledger partition. One partition of DynamoDB accepts 1,000 writes a second; a run with few shards is cheap
to read."""
MOST_SHARDS = 64
"""Partitions that one run is spread over at most."""

MOST_TASKS_OF_RUN = 1_000_000_000
"""Tasks that one run may have. Programs that go through a run need some bytes a task."""


def new_run_id(started: float | None = None) -> str:
    """Make a short id that sorts by time: the minutes since 2020 and 20 random bits, both in hexadecimal.

    ``started`` is in epoch seconds, by default now.
    """
    minutes = int((started if started is not None else time.time()) - 1_577_836_800) // 60
    return f"{minutes:06x}{secrets.randbits(20):05x}"


class ChunkPlace(NamedTuple):
    """Where a chunk lies in its run: its pool, the number of its first task in the run, and how many tasks it has."""

    pool: str
    first: int
    tasks: int


@dataclass(frozen=True, slots=True)
class PoolRange:
    """The tasks ``first`` … ``first + count - 1`` of a run, all for the same pool."""

    pool: str
    first: int
    count: int

    def chunks(self, size: int) -> int:
        """The number of chunks of up to ``size`` tasks."""
        return -(-self.count // size)


@dataclass(frozen=True, slots=True)
class Run:
    """The facts of a run that must not change after its first message is sent, and whether it was cancelled."""

    id: str
    chunk_size: int
    """Tasks per chunk; the last chunk of a pool may have fewer."""
    shards: int
    """Partitions of the ledger that its chunks are spread over."""
    digest: str
    """The SHA-256 of its instructions in order, in hexadecimal."""
    ranges: tuple[PoolRange, ...]
    """Which tasks go to which pool."""
    started: float
    """When it was pushed, in epoch seconds."""
    parent: str = ""
    """The id of the run whose failures it retries; empty for any other run."""
    cancelled: bool = False
    priority: Priority = Priority.NORMAL
    archive_digest: str = ""
    """The SHA-256 of its instructions in the order of the tasks' numbers, one a line, as the store keeps them. It
    differs from ``digest`` if the run has several pools. Runs of earlier versions have none."""
    archive_size: int = 0
    """The bytes of these lines; 0 in runs of earlier versions."""
    parent_tasks: str = ""
    """The SHA-256 of the list that says which task of the parent each task is; empty if that was not recorded."""

    @classmethod
    def plan(  # noqa: PLR0913  (all facts of a run)
        cls,
        *,
        run_id: str,
        counts: dict[str, int],
        chunk_size: int,
        digest: str,
        started: float,
        parent: str = "",
        priority: Priority = Priority.NORMAL,
        archive_digest: str = "",
        archive_size: int = 0,
        parent_tasks: str = "",
    ) -> Self:
        """Plan a run with ``counts`` tasks by pool name: number the tasks pool by pool, and choose the shard count."""
        ranges, first = [], 0
        for pool, count in counts.items():
            ranges.append(PoolRange(pool, first, count))
            first += count
        chunks = sum(-(-count // chunk_size) for count in counts.values())
        shards = max(1, min(MOST_SHARDS, -(-chunks // CHUNKS_PER_SHARD)))
        return cls(
            run_id,
            chunk_size,
            shards,
            digest,
            tuple(ranges),
            started,
            parent,
            priority=priority,
            archive_digest=archive_digest,
            archive_size=archive_size,
            parent_tasks=parent_tasks,
        )

    @property
    def count(self) -> int:
        """The number of tasks."""
        return sum(part.count for part in self.ranges)

    @property
    def chunk_count(self) -> int:
        """The number of chunks. The tasks of a chunk are all for the same pool."""
        return sum(part.chunks(self.chunk_size) for part in self.ranges)

    def chunks(self, pool: str) -> Iterator[tuple[ChunkKey, int, int]]:
        """Iterate over a pool's chunks in order: each chunk's key, the number of its first task, and its task count."""
        number = 0
        for part in self.ranges:
            for offset in range(0, part.count, self.chunk_size):
                if part.pool == pool:
                    size = min(self.chunk_size, part.count - offset)
                    yield ChunkKey(self.id, number, self.shards), part.first + offset, size
                number += 1

    def place(self, number: int) -> ChunkPlace | None:
        """Return where the chunk with that number lies; ``None`` if the run has no such chunk."""
        if number < 0:
            return None
        before = 0
        for part in self.ranges:
            chunks = part.chunks(self.chunk_size)
            if number < before + chunks:
                offset = (number - before) * self.chunk_size
                return ChunkPlace(part.pool, part.first + offset, min(self.chunk_size, part.count - offset))
            before += chunks
        return None

    def misfit(self, key: ChunkKey, first: int, tasks: int, pool: str = "") -> str:
        """Say why a chunk is not one of this run's; empty if it is. Without ``pool`` it may be for any pool."""
        place = self.place(key.number)
        if place is None:
            return f"run {self.id} has no chunk {key.number}: it has {self.chunk_count:,}"
        if pool not in ("", place.pool):
            return f"chunk {key.number} of run {self.id} is for the pool {place.pool}"
        if key.shards != self.shards:
            return f"run {self.id} has {self.shards} shards and not {key.shards}"
        if (first, tasks) != (place.first, place.tasks):
            return (
                f"chunk {key.number} of run {self.id} has {place.tasks} tasks from {place.first} on,"
                f" and not {tasks} from {first} on"
            )
        return ""

    def chunk_of(self, seq: int) -> int:
        """Return the number of the chunk that holds a task. Raises ``ValueError`` if the run has no such task."""
        before = 0
        for part in self.ranges:
            if part.first <= seq < part.first + part.count:
                return before + (seq - part.first) // self.chunk_size
            before += part.chunks(self.chunk_size)
        raise ValueError(f"run {self.id} has no task {seq}")

    def differs(self, other: Self) -> str:
        """Name the first fact that differs in another plan with the same id; empty if none does."""
        for fact in ("chunk_size", "shards", "digest", "ranges", "parent", "parent_tasks", "priority"):
            if getattr(self, fact) != getattr(other, fact):
                return fact.replace("_", " ")
        return ""
