"""Chooses the task that runs next: slots take tasks from the claimed chunks in the order in which these came."""

from collections import deque
from collections.abc import Callable

import trio

from cloudkon.model import Task

from .claimed_chunk import ClaimedChunk


class ReadyQueue:
    """The claimed chunks that have waiting tasks."""

    def __init__(self, slots: int, on_slot_idle: Callable[[], None]) -> None:
        """Start empty; ``on_slot_idle`` is called whenever a slot finds no task to run."""
        self.slots = slots
        self._on_slot_idle = on_slot_idle
        self.free = 0
        """Number of slots that wait for a task."""
        self._ready: deque[ClaimedChunk] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a task runs or could run."""
        return bool(self._ready) or self.free < self.slots

    def add(self, chunk: ClaimedChunk) -> None:
        """Add a chunk that has waiting tasks."""
        if not self._closed:
            self._ready.append(chunk)
            self._lot.unpark(count=min(len(chunk.pending), self.slots))

    def close(self) -> None:
        """Hand out no more tasks."""
        self._closed = True
        self._ready.clear()

    async def take(self) -> tuple[ClaimedChunk, Task]:
        """Wait for the next task to run."""
        self.free += 1
        try:
            while True:
                if found := self.take_nowait():
                    return found
                self._on_slot_idle()
                await self._lot.park()
        finally:
            self.free -= 1

    def take_nowait(self) -> tuple[ClaimedChunk, Task] | None:
        """Return the next task to run; ``None`` if no task can run now."""
        for _ in range(len(self._ready)):
            chunk = self._ready[0]
            if not chunk.pending:
                self._ready.popleft()
            elif chunk.serial and not chunk.idle:
                self._ready.rotate(-1)
            else:
                task = chunk.next_task()
                if not chunk.pending:
                    self._ready.popleft()
                return chunk, task
        return None

    def wake(self) -> None:
        """Wake a slot, because the next task of a chunk that runs one task at a time may start now."""
        self._lot.unpark()
