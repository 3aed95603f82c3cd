"""Chooses the task that runs next: slots take tasks from the claimed chunks in the order in which these came.

A careful chunk's tasks run alone in the worker. When such a chunk comes, no slot starts anything until the tasks that
run have ended. Then one slot runs the chunk's tasks, and everything else waits until it has finished with the chunk.
While the chunk waits for a long task, the other slots go on with other chunks, so that they don't idle for as long.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from cloudkon.model import Task

from .claimed_chunk import ClaimedChunk
from .task_durations import TaskDurations


class ReadyQueue:
    """The claimed chunks that have waiting tasks."""

    def __init__(self, durations: TaskDurations, on_slot_idle: Callable[[], None]) -> None:
        """Start empty; ``on_slot_idle`` is called whenever a slot finds no task to run.

        ``durations`` is told when slots wait although there are tasks, because a careful chunk is next or runs.
        """
        self._durations = durations
        self._on_slot_idle = on_slot_idle
        self.free = 0
        """Number of slots that wait for a task."""
        self._alone = False
        """Whether a slot runs a careful chunk's tasks, so that no other slot may start anything."""
        self._ready: deque[ClaimedChunk] = deque()
        self._careful: deque[ClaimedChunk] = deque()
        """Careful chunks, which come before all others: behind them a slot would soon be free, but seldom all slots."""
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False

    @property
    def slots(self) -> int:
        """Number of slots that can run a task."""
        return self._durations.slots

    @contextmanager
    def without_slot(self) -> Iterator[None]:
        """Do without a slot for the block, since it can run nothing."""
        self._durations.slots -= 1
        # A careful chunk may have waited for this one only.
        self._lot.unpark_all()
        try:
            yield
        finally:
            self._durations.slots += 1

    @property
    def busy(self) -> bool:
        """Whether a task runs or could run."""
        return bool(self._ready or self._careful) or self.free < self.slots

    def add(self, chunk: ClaimedChunk) -> None:
        """Add a chunk that has waiting tasks."""
        if not self._closed:
            (self._careful if chunk.careful else self._ready).append(chunk)
            self._lot.unpark(count=min(len(chunk.pending), self.slots))

    def close(self) -> None:
        """Hand out no more tasks."""
        self._closed = True
        self._ready.clear()
        self._careful.clear()

    async def take(self) -> tuple[ClaimedChunk, Task]:
        """Wait for the next task to run. After a careful chunk's task, call ``next_alone`` and ``end_alone``."""
        self.free += 1
        try:
            while True:
                self._drop_empty()
                if found := self.take_nowait() or self._take_alone():
                    return found
                self._on_slot_idle()
                await self._lot.park()
        finally:
            self.free -= 1

    def take_nowait(self) -> tuple[ClaimedChunk, Task] | None:
        """Return the next task to run; ``None`` if no task can run now beside those that run."""
        if self._alone or (self._careful and not self._durations.is_overtakable):
            return None
        while self._ready:
            chunk = self._ready[0]
            if not chunk.pending:
                self._ready.popleft()
            else:
                task = chunk.next_task()
                if not chunk.pending:
                    self._ready.popleft()
                return chunk, task
        return None

    def _take_alone(self) -> tuple[ClaimedChunk, Task] | None:
        """Return the first task of the careful chunk that is next, if every slot waits."""
        if self._alone or not self._careful:
            return None
        self._durations.hold_slots()
        if self.free < self.slots:
            return None
        self._alone = True
        chunk = self._careful.popleft()
        return chunk, chunk.next_task()

    def next_alone(self, chunk: ClaimedChunk) -> Task | None:
        """Return the next task of the careful chunk that runs; ``None`` if nothing of it can run now."""
        return chunk.next_task() if chunk.pending and not self._closed else None

    def end_alone(self) -> None:
        """Let other tasks start: nothing of the careful chunk runs, and the ledger names no suspect of it."""
        self._alone = False
        self._release_slots()

    def is_next_careful(self, chunk: ClaimedChunk) -> bool:
        """Whether the tasks that run now are all that a careful chunk waits for."""
        self._drop_empty()
        return not self._alone and bool(self._careful) and self._careful[0] is chunk

    def check_overtaking(self) -> None:
        """Let slots go on that wait for a careful chunk, if its wait has turned out long. Call it now and then."""
        if self.free and self._careful and not self._alone and self._durations.is_overtakable:
            self._lot.unpark_all()

    def on_chunk_gone(self) -> None:
        """Check again what can run: called when a chunk left, which may have been the careful one that was next."""
        if self._durations.holding and not self._alone:
            self._drop_empty()
            if not self._careful:
                self._release_slots()

    def _drop_empty(self) -> None:
        """Forget careful chunks of which no task waits any more: they were given back, lost or cancelled."""
        while self._careful and not self._careful[0].pending:
            self._careful.popleft()

    def _release_slots(self) -> None:
        self._durations.release_slots()
        self._lot.unpark_all()
