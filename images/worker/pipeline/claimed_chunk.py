"""Holding: a chunk that this worker has claimed, from the claim to the end of its messages."""

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

import trio

from cloudkon.model import Chunk, ChunkKey, Delivery, Progress, Result, Task, TaskState
from cloudkon.protocol import Claim

from ..queues.outputs import fitting


class Stage(Enum):
    """Where a holding is on its way through the pipeline."""

    ACTIVE = "active"
    """Its tasks wait, run, or wait for another attempt; heartbeats renew it."""
    STORING = "storing"
    """Its long outputs go to the store, and then it is completed or released; heartbeats renew it."""
    CLOSING = "closing"
    """It is being completed or released: no renewal may come between."""
    LOST = "lost"
    """Somebody else's, or too old to trust: nothing may be written for it."""


@dataclass(slots=True)
class ReceivedChunk:
    """A chunk that was received, with every delivery of it since: the newest handle of each message."""

    chunk: Chunk
    deliveries: dict[str, Delivery]
    hidden_until: float
    """Until when, in monotonic seconds, the queue hides the messages from others."""
    sent: float = 0.0
    """When the message was sent, in epoch seconds; 0 where the queue does not tell."""

    @classmethod
    def of(cls, chunk: Chunk, delivery: Delivery, hidden_until: float) -> "ReceivedChunk":
        """A first arrival."""
        return cls(chunk, {delivery.message_id: delivery}, hidden_until, delivery.sent)

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.chunk.key

    def add(self, delivery: Delivery) -> None:
        """Another delivery of the chunk: a copy, or the same message again, whose older handle is stale now."""
        self.deliveries[delivery.message_id] = delivery


class OnReceived(Protocol):
    """Whoever takes what has arrived."""

    def __call__(self, arrival: ReceivedChunk, *, more: bool) -> None:
        """Take a chunk that is new here; ``more`` tells that the queue gave all that it was asked for."""


class ClaimedChunk:
    """The mutable middle of the pipeline; only its own worker touches it, in one thread."""

    __slots__ = (
        "arrival",
        "careful",
        "claim",
        "failures",
        "inherited",
        "keeping",
        "key",
        "overdue",
        "pending",
        "renewal",
        "results",
        "running",
        "since",
        "size",
        "stage",
        "suspect",
    )

    def __init__(self, arrival: ReceivedChunk, claim: Claim) -> None:
        """Start from what earlier claims of the chunk left in the ledger."""
        inherited = claim.record.progress
        self.arrival = arrival
        self.key = arrival.key
        """The chunk's."""
        self.size = len(arrival.chunk)
        """How many tasks it has."""
        self.claim = claim
        self.inherited = inherited
        self.careful = inherited.losses > 0
        """Whether a worker died on the chunk before: its tasks then run one at a time, each named before."""
        self.results: dict[int, Result] = {result.task.seq: result for result in inherited.results}
        self.failures = dict(inherited.failures)
        self.suspect: int | None = None
        self.pending: deque[Task] = deque(task for task in arrival.chunk.tasks() if task.id.seq not in self.results)
        self.running: dict[int, trio.CancelScope] = {}
        self.since = math.inf
        """When it came into our hands, by trio's time."""
        self.stage = Stage.ACTIVE
        self.overdue = False
        """Whether it was lost by our own clock: perhaps nobody else has it yet."""
        self.keeping: trio.Event | None = None
        """While long outputs are being stored for a checkpoint: set when that is over."""
        self.renewal = trio.Semaphore(1)
        """Two renewals of one claim must not overtake one another."""

    @property
    def renewed(self) -> bool:
        """Whether heartbeats keep its lease alive."""
        return self.stage in (Stage.ACTIVE, Stage.STORING)

    @property
    def finished(self) -> bool:
        """Whether every task has its result."""
        return len(self.results) == self.size

    @property
    def idle(self) -> bool:
        """Whether none of its tasks is running."""
        return not self.running

    @property
    def progress(self) -> Progress:
        """What the completion writes."""
        return Progress(
            results=tuple(self.results[seq] for seq in sorted(self.results)),
            failures=dict(self.failures),
            losses=self.inherited.losses,
            suspect=self.suspect,
            suspicions=self.inherited.suspicions,
        )

    @property
    def checkpoint(self) -> Progress:
        """What a renewal or a release writes, without results that are too long until they are stored."""
        progress = self.progress
        return replace(progress, results=fitting(progress.results))

    @property
    def overfull(self) -> bool:
        """Whether a checkpoint has to leave results out until their texts are stored."""
        return len(fitting(self.results.values())) < len(self.results)

    def lose(self, *, overdue: bool) -> None:
        """Kill the work: the claim can't be relied on any more."""
        self.stage = Stage.LOST
        self.overdue = overdue
        self.pending.clear()
        for scope in self.running.values():
            scope.cancel()

    def give_up(self, task: Task, state: TaskState, error: str, worker: str) -> None:
        """Give a task that will not run (again) its result."""
        attempts = self.failures.get(task.id.seq, 0)
        self.results[task.id.seq] = Result(task.id, state, error=error, attempts=attempts, worker=worker)

    def cancel(self, worker: str) -> None:
        """Tell what runs to stop; every other task without a result gets CANCELLED, which is one."""
        for scope in self.running.values():
            scope.cancel()
        self.pending.clear()
        for task in self.arrival.chunk.tasks():
            if task.id.seq not in self.results and task.id.seq not in self.running:
                self.give_up(task, TaskState.CANCELLED, "the run was cancelled", worker)
