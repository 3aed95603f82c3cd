"""Runs trio in a thread for synchronous callers, so that scripts and notebooks need no event loop."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

import trio

from cloudkon.errors import InvalidInput

T = TypeVar("T")

READ_AHEAD = 1000
"""Values per batch that are read from an asynchronous source before the caller asks for them."""


class FleetClosed(InvalidInput):
    """A fleet's interface was used after it was closed, or closed while a call was waiting."""

    def __init__(self) -> None:
        """Name the remedy."""
        super().__init__("fleet", "its interface is closed", "Open another one, and a run with: Fleet().run(ID)")


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[T]):
    """Work that runs in the portal's thread; ``outcome`` gets its result or its error."""

    work: Callable[[], Awaitable[T]]
    outcome: Future[T] = field(default_factory=Future)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def run(self) -> None:
        """Run the work. If it is cancelled, its outcome is ``FleetClosed``: only closing cancels awaited work."""
        try:
            with self.scope:
                self.outcome.set_result(await self.work())
        except Exception as error:  # noqa: BLE001  (any error is raised where the outcome is awaited)
            self.outcome.set_exception(_ungrouped(error))
        finally:
            self.end()

    def end(self) -> None:
        """Set the outcome to ``FleetClosed`` unless it is set, so that no caller waits forever."""
        if not self.outcome.done():
            self.outcome.set_exception(FleetClosed())


def _ungrouped(error: Exception) -> Exception:
    """Return the only error of a group, for callers that don't know nurseries."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class Portal:
    """Runs async work in its own thread until it is closed. Any other thread may call it."""

    def __init__(self) -> None:
        """Start the thread."""
        self._jobs: set[Job[Any]] = set()
        self._lock = Lock()
        self._open = True
        self._nursery: trio.Nursery | None = None
        started: Future[trio.lowlevel.TrioToken] = Future()
        # A daemon thread: a script that forgot to close must be able to exit.
        self._thread = Thread(target=self._run, args=(started,), name="cloudkon", daemon=True)
        self._thread.start()
        self._token = started.result()

    def start(self, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Start ``work`` without waiting for it. Raises ``FleetClosed``."""
        job = Job(work)
        with self._lock:
            if not self._open:
                raise FleetClosed
            self._jobs.add(job)
            self._token.run_sync_soon(self._begin, job)
        return job

    def call(self, work: Callable[[], Awaitable[T]], timeout: float | None = None) -> T:
        """Run ``work`` and return its result or raise its error; ``TimeoutError`` after ``timeout`` seconds.

        If anything ends the waiting early, Ctrl-C included, the work is cancelled and its end awaited first.
        """
        job = self.start(work)
        try:
            return job.outcome.result(timeout)
        finally:
            if not job.outcome.done():
                self.cancel(job)
                wait([job.outcome])

    def iterate(self, source: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """Iterate over an async source, reading a little ahead.

        Raises what the source raises. If the caller stops early, the source is closed.
        """
        sending, receiving = trio.open_memory_channel[list[T]](1)

        async def read() -> None:
            async with sending:
                batch: list[T] = []
                async for value in source():
                    batch.append(value)
                    if len(batch) == READ_AHEAD:
                        await sending.send(batch)
                        batch = []
                await sending.send(batch)

        async def receive() -> list[T]:
            async for batch in receiving:
                return batch
            return []

        reader = self.start(read)
        try:
            while batch := self.call(receive):
                yield from batch
            reader.outcome.result()
        finally:
            self.cancel(reader)

    def cancel(self, job: Job[Any]) -> None:
        """Request a job's cancellation, without waiting for its end."""
        with self._lock:
            if self._open:
                self._token.run_sync_soon(job.scope.cancel)

    def shut(self) -> None:
        """Refuse new work and cancel all running work, without waiting for its end."""
        with self._lock:
            if self._open:
                self._open = False
                assert self._nursery is not None
                self._token.run_sync_soon(self._nursery.cancel_scope.cancel)

    def close(self) -> None:
        """Cancel all work and end the thread. May be called twice."""
        self.shut()
        self._thread.join()

    def _begin(self, job: Job[Any]) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(self._work, job)

    async def _work(self, job: Job[Any]) -> None:
        await job.run()
        with self._lock:
            self._jobs.discard(job)

    def _run(self, started: "Future[trio.lowlevel.TrioToken]") -> None:
        try:
            trio.run(partial(self._serve, started))
        finally:
            with self._lock:
                self._open = False
            # Jobs that were submitted too late to be started.
            for job in self._jobs:
                job.end()

    async def _serve(self, started: "Future[trio.lowlevel.TrioToken]") -> None:
        async with trio.open_nursery() as self._nursery:
            started.set_result(trio.lowlevel.current_trio_token())
            await trio.sleep_forever()
