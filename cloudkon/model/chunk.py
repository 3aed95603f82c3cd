"""Defines a chunk: consecutive tasks of a run that are sent, claimed and completed together."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from cloudkon.model.task import Task, TaskId


class ChunkKey(NamedTuple):
    """The id of a chunk, and so its key in the ledger: the run's id and the chunk's number in the run, from 0.

    ``shards`` is the run's shard count. Every message carries it, because a worker must find the chunk's item from the
    message alone.
    """

    run: str
    number: int
    shards: int

    @property
    def partition(self) -> str:
        """The ledger's partition key, ``RUN#SHARD``. Shards spread one run's writes over several partitions."""
        return f"{self.run}#{self.number % self.shards}"

    def __str__(self) -> str:
        """Format it as in logs: ``RUN#NUMBER``."""
        return f"{self.run}#{self.number}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The tasks of one SQS message. ``first`` is the number of its first task in the run, from 0."""

    key: ChunkKey
    first: int
    instructions: tuple[str, ...]

    def __len__(self) -> int:
        """The number of tasks."""
        return len(self.instructions)

    def tasks(self) -> Iterator[Task]:
        """Iterate over its tasks, in the order of the run."""
        ids = map(TaskId, repeat(self.key.run), range(self.first, self.first + len(self.instructions)))
        return map(Task, ids, self.instructions)
