"""Chunk: consecutive tasks of a run that travel, are claimed and are completed together."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from cloudkon.model.task import Task, TaskId


class ChunkKey(NamedTuple):
    """Which chunk of which run: its place in the ledger.

    ``shards`` is the run's shard count: it comes along because a worker must find the chunk's item
    from the message alone.
    """

    run: str
    number: int
    shards: int

    @property
    def partition(self) -> str:
        """The ledger's partition key, ``RUN#SHARD``: one run's writes spread over partitions."""
        return f"{self.run}#{self.number % self.shards}"

    def __str__(self) -> str:
        """Write it as logs do: ``RUN#NUMBER``."""
        return f"{self.run}#{self.number}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One SQS message's worth of tasks; ``first`` is the first one's number in the run."""

    key: ChunkKey
    first: int
    instructions: tuple[str, ...]

    def __len__(self) -> int:
        """How many tasks it holds."""
        return len(self.instructions)

    def tasks(self) -> Iterator[Task]:
        """Its tasks, in the run's order."""
        ids = map(TaskId, repeat(self.key.run), range(self.first, self.first + len(self.instructions)))
        return map(Task, ids, self.instructions)
