"""Defines a chunk's record: its item in the ledger, which decides all questions about the chunk."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from cloudkon.model.chunk import ChunkKey
from cloudkon.model.result import Result, TaskState

RELEASED_LEASE_END = 0
"""The lease end of a released chunk, in epoch milliseconds: any worker may claim it, and its last one did not die."""
NO_OWNER = ""
"""The owner of a released chunk, so that a late renewal by the worker that released it is refused."""

CAREFUL_LOSSES: Final = 2
"""The number of losses from which on a chunk is careful. The first loss is usually the infrastructure's, and to run
tasks alone after each loss of an instance would leave most of the fleet's slots idle."""


class ChunkState(StrEnum):
    """The state of a chunk. A chunk without an item was never claimed."""

    CLAIMED = "CLAIMED"
    """A worker holds it, or held it and died or released it. The lease end shows which."""
    DONE = "DONE"
    """Every task has its result. The record never changes again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known about a chunk's tasks so far. Each claim passes it on to the next one.

    After ``CAREFUL_LOSSES`` workers died while they held the chunk, it is careful: each of its tasks runs alone in its
    worker, with no task of any chunk beside it, and is recorded as the suspect from before it starts until after it
    ended. So the death of a worker is blamed on a task only if no other task ran there.
    """

    results: tuple[Result, ...] = ()
    """The results of the tasks that ended."""
    failures: Mapping[int, int] = field(default_factory=dict)
    """Failed attempts, by task number."""
    losses: int = 0
    """How many workers died while they held the chunk."""
    suspect: int | None = None
    """The number of the task that is about to start, or runs, alone in its worker."""
    suspicions: Mapping[int, int] = field(default_factory=dict)
    """How many workers died while the task was the suspect, by task number."""
    given_back: int = 0
    """How often a worker gave the careful chunk back because other tasks kept it waiting."""

    @property
    def careful(self) -> bool:
        """Whether the chunk's tasks must run alone."""
        return self.losses >= CAREFUL_LOSSES

    def after_loss(self) -> "Progress":
        """The progress for the claim that follows a worker's death."""
        suspicions = dict(self.suspicions)
        if self.suspect is not None:
            suspicions[self.suspect] = suspicions.get(self.suspect, 0) + 1
        return replace(self, losses=self.losses + 1, suspect=None, suspicions=suspicions)

    def __hash__(self) -> int:
        """Hash without the dictionaries, which have no hash. Equal values still have equal hashes."""
        return hash((self.results, self.losses, self.suspect))

    def named(self) -> set[int]:
        """Return the numbers of all tasks that it says something about."""
        named = {*self.failures, *self.suspicions, *(result.task.seq for result in self.results)}
        if self.suspect is not None:
            named.add(self.suspect)
        return named

    def is_within(self, tasks: range) -> bool:
        """Whether all that it says is about tasks with these numbers."""
        return all(seq in tasks for seq in self.named())

    def count(self, state: TaskState) -> int:
        """The number of results with that state."""
        return sum(1 for result in self.results if result.state is state)


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One chunk's item in the ledger."""

    key: ChunkKey
    state: ChunkState
    owner: str
    """The token of the claim that wrote it; ``NO_OWNER`` if that claim was released."""
    attempt: int
    """The number of claims so far."""
    lease_end: int
    """When the lease ends, in epoch milliseconds; ``RELEASED_LEASE_END`` if the claim was released."""
    tasks: int = 1
    """How many tasks the chunk has."""
    progress: Progress = field(default_factory=Progress)
    expires: int = 0
    """When DynamoDB may delete the item, in epoch seconds (the table's TTL attribute)."""
    readable: bool = True
    """Whether this version can read the item. If not, another version wrote it or it was damaged, and all other fields
    mean nothing."""
    fault: str = ""
    """Why the item can't be read; empty if it can."""
    digest: str = ""
    """The digest of the chunk's tasks, so that a message with the same key and other tasks is noticed; empty if a
    version wrote it that had no digests."""

    @classmethod
    def unreadable(cls, key: ChunkKey, fault: str) -> "ChunkRecord":
        """Return what stands for an item that can't be read; ``fault`` says why."""
        return cls(key, ChunkState.CLAIMED, NO_OWNER, 0, RELEASED_LEASE_END, readable=False, fault=fault)

    def is_of(self, digest: str, first: int, tasks: int) -> bool:
        """Whether it is the record of the chunk with that digest, first task and number of tasks."""
        same = self.digest == digest if self.digest and digest else self.tasks == tasks
        return same and self.progress.is_within(range(first, first + tasks))

    @property
    def released(self) -> bool:
        """Whether the last worker released the chunk."""
        return self.lease_end == RELEASED_LEASE_END
