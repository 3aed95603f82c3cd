"""Batcher: gathers what a call can take together, and lets it go as late as useful and as early as needed."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Batcher(Generic[T]):
    """A stage of the pipeline that works on batches.

    A batch goes when it is full, when its oldest entry has waited ``age`` seconds, or at once when ``idle()`` says
    that nothing else is coming: a fixed linger would double the latency at low load.
    """

    def __init__(
        self,
        flush: Callable[[list[T]], Awaitable[None]],
        *,
        size: int,
        age: float,
        idle: Callable[[], bool],
        on_done: Callable[[], None] = lambda: None,
        concurrency: int = 4,
    ) -> None:
        """``flush`` takes a batch and deals with every failure itself; so many of them run at a time at the most.

        ``on_done`` is called after each, when the batch no longer counts.
        """
        self._flush = flush
        self._size = size
        self._age = age
        self._idle = idle
        self._on_done = on_done
        self._places = trio.Semaphore(concurrency)
        self._entries: list[T] = []
        self._oldest = 0.0
        self._lot = trio.lowlevel.ParkingLot()
        self._emptied = trio.lowlevel.ParkingLot()
        self._flushing = 0

    def __len__(self) -> int:
        """How many entries it has, waiting or being flushed."""
        return len(self._entries) + self._flushing

    def put(self, entry: T) -> None:
        """Hand over an entry; never waits."""
        if not self._entries:
            self._oldest = trio.current_time()
        self._entries.append(entry)
        # Those between the first one and the last one that fits don't change when it goes: who knows better nudges.
        if len(self._entries) == 1 or len(self._entries) >= self._size:
            self._lot.unpark()

    def nudge(self) -> None:
        """Look again whether the pipeline is idle."""
        if self._entries:
            self._lot.unpark()

    async def empty(self) -> None:
        """Wait until it has no entries."""
        while len(self):
            await self._emptied.park()

    async def run(self) -> None:
        """Flush until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._due()
                await self._places.acquire()
                batch, self._entries = self._entries[: self._size], self._entries[self._size :]
                self._oldest = trio.current_time()
                self._flushing += len(batch)
                nursery.start_soon(self._flush_batch, batch)

    async def _due(self) -> None:
        await trio.lowlevel.checkpoint()
        while len(self._entries) < self._size:
            if self._entries and (self._idle() or trio.current_time() >= self._oldest + self._age):
                return
            with trio.move_on_at(self._oldest + self._age if self._entries else float("inf")):
                await self._lot.park()

    async def _flush_batch(self, batch: list[T]) -> None:
        try:
            await self._flush(batch)
        finally:
            self._flushing -= len(batch)
            self._places.release()
            self._lot.unpark()
            if not len(self):
                self._emptied.unpark_all()
            self._on_done()
