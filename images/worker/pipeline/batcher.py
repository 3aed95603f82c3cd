"""Gathers entries for one call, and makes the call as late as useful and as early as needed."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Batcher(Generic[T]):
    """A stage of the pipeline that works on batches.

    A batch goes when it is full, when its oldest entry has waited for ``age`` seconds, or at once when ``idle()``
    returns true because nothing else is coming: a fixed wait would double the latency at low load.
    """

    def __init__(
        self,
        flush: Callable[[list[T]], Awaitable[None]],
        *,
        size: int,
        age: float,
        idle: Callable[[], bool],
        on_failure: Callable[[T, Exception], None],
        on_done: Callable[[], None] = lambda: None,
        concurrency: int = 4,
    ) -> None:
        """``flush`` is called with each batch, at most ``concurrency`` times at once, and handles expected failures.

        After an unexpected error it is called again with each entry alone, also with entries that it has dealt with
        before the error. ``on_failure`` is called with each entry that raises an error alone too. ``on_done`` is called
        after each flush, when its batch no longer counts.
        """
        self._flush = flush
        self._size = size
        self._age = age
        self._idle = idle
        self._on_failure = on_failure
        self._on_done = on_done
        self._places = trio.Semaphore(concurrency)
        self._entries: list[T] = []
        self._oldest = 0.0
        self._lot = trio.lowlevel.ParkingLot()
        self._emptied = trio.lowlevel.ParkingLot()
        self._flushing = 0

    def __len__(self) -> int:
        """Return the number of entries, waiting or being flushed."""
        return len(self._entries) + self._flushing

    def put(self, entry: T) -> None:
        """Add an entry; never waits."""
        if not self._entries:
            self._oldest = trio.current_time()
        self._entries.append(entry)
        # The entries between the first one and a full batch don't change when the batch goes. A caller that knows
        # better calls ``nudge``.
        if len(self._entries) == 1 or len(self._entries) >= self._size:
            self._lot.unpark()

    def nudge(self) -> None:
        """Check again whether the pipeline is idle."""
        if self._entries:
            self._lot.unpark()

    async def wait_empty(self) -> None:
        """Wait until there are no entries."""
        while len(self):
            await self._emptied.park()

    async def run(self) -> None:
        """Flush until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._wait_due()
                await self._places.acquire()
                batch, self._entries = self._entries[: self._size], self._entries[self._size :]
                self._oldest = trio.current_time()
                self._flushing += len(batch)
                nursery.start_soon(self._flush_batch, batch)

    async def _wait_due(self) -> None:
        await trio.lowlevel.checkpoint()
        while len(self._entries) < self._size:
            if self._entries and (self._idle() or trio.current_time() >= self._oldest + self._age):
                return
            with trio.move_on_at(self._oldest + self._age if self._entries else float("inf")):
                await self._lot.park()

    async def _flush_batch(self, batch: list[T]) -> None:
        try:
            await self._flush_guarded(batch)
        finally:
            self._flushing -= len(batch)
            self._places.release()
            self._lot.unpark()
            if not len(self):
                self._emptied.unpark_all()
            self._on_done()

    async def _flush_guarded(self, batch: list[T]) -> None:
        try:
            await self._flush(batch)
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not fail the other entries)
            if len(batch) == 1:
                self._on_failure(batch[0], error)
                return
            for entry in batch:
                await self._flush_guarded([entry])
