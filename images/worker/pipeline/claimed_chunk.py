"""Keeps the state of a chunk that this worker has claimed, until its messages are deleted or given back.

Each transition is a method here; the stages of the pipeline call them and assign nothing.
"""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum

import trio

from cloudkon.model import Progress, Result, Task, TaskState
from cloudkon.protocol import Claim

from ..queues.outputs import fitting
from .received_chunk import ReceivedChunk


class Stage(Enum):
    """How far a claimed chunk has come."""

    ACTIVE = "active"
    """Its tasks wait, run, or wait for another attempt; heartbeats renew its lease."""
    STORING = "storing"
    """Its long outputs are being stored, before it is completed or released; heartbeats renew its lease."""
    CLOSING = "closing"
    """It is being completed or released; its lease must not be renewed any more."""
    LOST = "lost"
    """Another worker has it, or its lease is too old to trust; nothing may be written for it."""


class ClaimedChunk:
    """A chunk under this worker's claim: its tasks, results and failed attempts. Only one thread uses it."""

    __slots__ = (
        "careful",
        "claim",
        "failures",
        "given_back",
        "idled",
        "inherited",
        "key",
        "overdue",
        "pending",
        "received",
        "renewal",
        "results",
        "running",
        "size",
        "stage",
        "storing",
        "suspect",
        "waiting_since",
    )

    def __init__(self, received: ReceivedChunk, claim: Claim) -> None:
        """Start from the results and failures that earlier claims left in the ledger."""
        inherited = claim.record.progress
        self.received = received
        self.key = received.key
        self.size = len(received.chunk)
        """Number of tasks."""
        self.claim = claim
        self.inherited = inherited
        """What earlier claims left in the ledger."""
        self.careful = inherited.careful
        """Whether each task runs alone in the worker and is recorded before: workers died on this chunk before."""
        self.given_back = inherited.given_back
        """How often workers gave it back because other tasks kept it waiting."""
        self.results: dict[int, Result] = {result.task.seq: result for result in inherited.results}
        self.failures = dict(inherited.failures)
        """Failed attempts of each task, by its number."""
        self.suspect: int | None = None
        """The task that is recorded as the one that runs alone."""
        self.pending: deque[Task] = deque(task for task in received.chunk.tasks() if task.id.seq not in self.results)
        self.running: dict[int, trio.CancelScope] = {}
        """The cancel scope of each running task, by its number."""
        self.idled: trio.Event | None = None
        """While somebody waits for the end of the running tasks: the event that is set then."""
        self.waiting_since = math.inf
        """When it was claimed or last had a task to try again, by trio's clock."""
        self.stage = Stage.ACTIVE
        self.overdue = False
        """Whether it was lost by our own clock, so that perhaps no other worker has it yet."""
        self.storing: trio.Event | None = None
        """While a heartbeat stores long outputs: the event that is set when it has finished."""
        self.renewal = trio.Semaphore(1)
        """Held by each renewal, so that two renewals of one claim can't overtake each other."""

    # Questions

    @property
    def is_renewable(self) -> bool:
        """Whether heartbeats keep its lease alive."""
        return self.stage in (Stage.ACTIVE, Stage.STORING)

    @property
    def finished(self) -> bool:
        """Whether every task has a result."""
        return len(self.results) == self.size

    @property
    def idle(self) -> bool:
        """Whether none of its tasks is running."""
        return not self.running

    @property
    def untouched(self) -> bool:
        """Whether tasks wait and this worker has not started any of them."""
        return bool(self.pending) and self.idle and len(self.pending) + len(self.results) == self.size

    @property
    def progress(self) -> Progress:
        """The progress that a completion writes."""
        return Progress(
            results=tuple(self.results[seq] for seq in sorted(self.results)),
            failures=dict(self.failures),
            losses=self.inherited.losses,
            suspect=self.suspect,
            suspicions=self.inherited.suspicions,
            given_back=self.given_back,
        )

    @property
    def checkpoint(self) -> Progress:
        """The progress that a renewal or a release writes: without results that are too long and not stored yet."""
        progress = self.progress
        return replace(progress, results=fitting(progress.results))

    @property
    def has_long_results(self) -> bool:
        """Whether a checkpoint has to leave out results until their texts are stored."""
        return len(fitting(self.results.values())) < len(self.results)

    def attempt_number(self, task: Task) -> int:
        """Return the number of the task's next attempt, or of the one that runs; counted from 1."""
        return self.failures.get(task.id.seq, 0) + 1

    # Tasks

    def start_waiting(self, now: float) -> None:
        """Note when it was claimed, by trio's clock."""
        self.waiting_since = now

    def next_task(self) -> Task:
        """Take the first waiting task."""
        return self.pending.popleft()

    def start_task(self, task: Task, scope: trio.CancelScope) -> None:
        """Note that a task runs; cancelling ``scope`` stops it."""
        self.running[task.id.seq] = scope

    def end_task(self, task: Task) -> None:
        """Note that a task no longer runs."""
        del self.running[task.id.seq]
        if self.idled is not None and self.idle:
            self.idled.set()

    async def wait_idle(self) -> None:
        """Wait until none of its tasks is running."""
        while not self.idle:
            self.idled = self.idled or trio.Event()
            await self.idled.wait()
            self.idled = None

    def retry_task(self, task: Task, now: float) -> None:
        """Let a task wait for its next attempt, from ``now`` on by trio's clock."""
        self.pending.append(task)
        self.waiting_since = now

    def add_failure(self, task: Task, number: int) -> None:
        """Note that attempt ``number`` at a task has failed."""
        self.failures[task.id.seq] = number

    def add_result(self, result: Result) -> None:
        """Keep a task's result."""
        self.results[result.task.seq] = result

    # Careful chunks

    def suspect_task(self, seq: int) -> None:
        """Name the task that is about to start: if the worker dies now, this task may be the reason."""
        self.suspect = seq

    def note_given_back(self) -> None:
        """Note that it is given back because other tasks kept it waiting; its release records that."""
        self.given_back += 1

    def clear_suspect(self) -> None:
        """Note that no task runs alone; the next checkpoint records it."""
        self.suspect = None

    def fail_repeated_suspects(self, most: int, worker: str) -> None:
        """Fail each waiting task that was the suspect at least ``most`` times when a worker died."""
        suspicions = self.inherited.suspicions
        for task in [one for one in self.pending if suspicions.get(one.id.seq, 0) >= most]:
            seq, times = task.id.seq, suspicions[task.id.seq]
            self.pending.remove(task)
            self.failures[seq] = self.failures.get(seq, 0) + times
            self._end_unrun(task, TaskState.FAILED, f"worker lost {times} times while it ran", worker)

    # Lease and stages

    def renew(self, claim: Claim) -> None:
        """Replace the claim by the renewed one."""
        self.claim = claim

    @contextmanager
    def storing_outputs(self) -> Iterator[None]:
        """Mark that a heartbeat stores long outputs, for as long as the block runs."""
        self.storing = stored = trio.Event()
        try:
            yield
        finally:
            self.storing = None
            stored.set()

    def begin_storing(self) -> None:
        """Long outputs are stored next; heartbeats go on."""
        self.stage = Stage.STORING

    def begin_closing(self) -> None:
        """It is completed or released next; heartbeats stop."""
        self.stage = Stage.CLOSING

    def drop_pending(self) -> None:
        """Start none of the waiting tasks."""
        self.pending.clear()

    def stop_running(self) -> None:
        """Cancel the tasks that run."""
        for scope in self.running.values():
            scope.cancel()

    def lose(self, *, overdue: bool) -> None:
        """Stop all work, because the claim can't be trusted any more."""
        self.stage = Stage.LOST
        self.overdue = overdue
        self.drop_pending()
        self.stop_running()

    def cancel(self, worker: str) -> None:
        """Stop the tasks that run; every other task without a result gets the result CANCELLED."""
        self.stop_running()
        self.drop_pending()
        for task in self.received.chunk.tasks():
            if task.id.seq not in self.results and task.id.seq not in self.running:
                self._end_unrun(task, TaskState.CANCELLED, "the run was cancelled", worker)

    def _end_unrun(self, task: Task, state: TaskState, error: str, worker: str) -> None:
        """Add the result of a task that will not run again."""
        attempts = self.failures.get(task.id.seq, 0)
        self.add_result(Result(task.id, state, error=error, attempts=attempts, worker=worker))
