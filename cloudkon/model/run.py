"""Run: all that one push put in."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from cloudkon.model.chunk import ChunkKey
from cloudkon.model.priority import Priority

CHUNKS_PER_SHARD = 256
"""A partition of DynamoDB takes 1,000 writes a second; small runs need no spreading and are cheap to read."""
MOST_SHARDS = 64


def new_run_id(started: float | None = None) -> str:
    """A short id that sorts by time: minutes since 2020 in hexadecimal, and 20 random bits."""
    minutes = int((started if started is not None else time.time()) - 1_577_836_800) // 60
    return f"{minutes:06x}{secrets.randbits(20):05x}"


@dataclass(frozen=True, slots=True)
class PoolRange:
    """The tasks ``first`` … ``first + count - 1`` of a run, which all go to one pool."""

    pool: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """What must not change once a run's first message is sent, and whether it was cancelled.

    ``digest`` is the SHA-256 of its instructions in order, ``started`` epoch seconds, ``parent`` the run whose
    failures it retries, ``priority`` which of its pools' queues its messages go to.
    """

    id: str
    chunk_size: int
    shards: int
    digest: str
    ranges: tuple[PoolRange, ...]
    started: float
    parent: str = ""
    cancelled: bool = False
    priority: Priority = Priority.NORMAL

    @classmethod
    def plan(
        cls,
        *,
        run_id: str,
        counts: dict[str, int],
        chunk_size: int,
        digest: str,
        started: float,
        parent: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> Self:
        """Number the tasks, pool by pool in the order of ``counts``, and choose the shard count."""
        ranges, first = [], 0
        for pool, count in counts.items():
            ranges.append(PoolRange(pool, first, count))
            first += count
        chunks = sum(-(-count // chunk_size) for count in counts.values())
        shards = max(1, min(MOST_SHARDS, -(-chunks // CHUNKS_PER_SHARD)))
        return cls(run_id, chunk_size, shards, digest, tuple(ranges), started, parent, priority=priority)

    @property
    def count(self) -> int:
        """How many tasks it has."""
        return sum(part.count for part in self.ranges)

    @property
    def chunk_count(self) -> int:
        """How many chunks it has: no chunk crosses from one pool to another."""
        return sum(-(-part.count // self.chunk_size) for part in self.ranges)

    def chunks(self, pool: str) -> Iterator[tuple[ChunkKey, int, int]]:
        """A pool's chunks in order, each as its key, its first task's number and its count of tasks."""
        number = 0
        for part in self.ranges:
            for offset in range(0, part.count, self.chunk_size):
                if part.pool == pool:
                    size = min(self.chunk_size, part.count - offset)
                    yield ChunkKey(self.id, number, self.shards), part.first + offset, size
                number += 1

    def differs(self, other: Self) -> str:
        """Name the first fact in which another plan for the same id differs, or nothing."""
        for fact in ("chunk_size", "shards", "digest", "ranges", "parent", "priority"):
            if getattr(self, fact) != getattr(other, fact):
                return fact.replace("_", " ")
        return ""
