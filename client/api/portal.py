"""Portal: a thread that runs trio for callers who don't, so that scripts and notebooks need no event loop."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

import trio

from cloudkon.errors import InvalidInput

T = TypeVar("T")

AHEAD = 1000
"""Values that are read from an asynchronous source before the caller has taken those before them."""


class FleetClosed(InvalidInput):
    """A fleet's interface was used after its end, or ended while something was waited for."""

    def __init__(self) -> None:
        """Tell how to go on."""
        super().__init__("fleet", "its interface is closed", "Open another: Fleet().run(ID) gives a run again")


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[T]):
    """Work that goes on in the portal; ``outcome`` gets what it gives or raises."""

    work: Callable[[], Awaitable[T]]
    outcome: Future[T] = field(default_factory=Future)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def run(self) -> None:
        """Do it. Cancelled, its outcome is ``FleetClosed``: nobody else cancels what somebody still waits for."""
        try:
            with self.scope:
                self.outcome.set_result(await self.work())
        except Exception as error:  # noqa: BLE001  (whatever it is, it is raised where it is waited for)
            self.outcome.set_exception(_alone(error))
        finally:
            self.end()

    def end(self) -> None:
        """Leave nobody waiting for what will not come."""
        if not self.outcome.done():
            self.outcome.set_exception(FleetClosed())


def _alone(error: Exception) -> Exception:
    """The one error of a group, for callers who know nothing of nurseries."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class Portal:
    """Runs async work in its thread from when it is made until it is closed. Any thread but its own may call it."""

    def __init__(self) -> None:
        """Start the thread."""
        self._jobs: set[Job[Any]] = set()
        self._lock = Lock()
        self._open = True
        self._nursery: trio.Nursery | None = None
        started: Future[trio.lowlevel.TrioToken] = Future()
        # A daemon: a script that forgot to close must be able to end.
        self._thread = Thread(target=self._run, args=(started,), name="cloudkon", daemon=True)
        self._thread.start()
        self._token = started.result()

    def start(self, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Begin some work. Raises ``FleetClosed``."""
        job = Job(work)
        with self._lock:
            if not self._open:
                raise FleetClosed
            self._jobs.add(job)
            self._token.run_sync_soon(self._begin, job)
        return job

    def call(self, work: Callable[[], Awaitable[T]], timeout: float | None = None) -> T:
        """Do some work and give what it gives, or raise what it raises; ``TimeoutError`` after so many seconds.

        Whatever ends the waiting, Ctrl-C included, cancels the work first and waits until it has let go.
        """
        job = self.start(work)
        try:
            return job.outcome.result(timeout)
        finally:
            if not job.outcome.done():
                self.cancel(job)
                wait([job.outcome])

    def iterate(self, source: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """Everything that ``source`` gives, read a little ahead. Raises what it raises; left early, it is closed."""
        give, take = trio.open_memory_channel[list[T]](1)

        async def read() -> None:
            async with give:
                some: list[T] = []
                async for one in source():
                    some.append(one)
                    if len(some) == AHEAD:
                        await give.send(some)
                        some = []
                await give.send(some)

        async def receive() -> list[T]:
            async for some in take:
                return some
            return []

        reading = self.start(read)
        try:
            while some := self.call(receive):
                yield from some
            reading.outcome.result()
        finally:
            self.cancel(reading)

    def cancel(self, job: Job[Any]) -> None:
        """Have a job end; it may take a moment."""
        with self._lock:
            if self._open:
                self._token.run_sync_soon(job.scope.cancel)

    def shut(self) -> None:
        """Take no more work, and have all end that goes on."""
        with self._lock:
            if self._open:
                self._open = False
                assert self._nursery is not None
                self._token.run_sync_soon(self._nursery.cancel_scope.cancel)

    def close(self) -> None:
        """End all work and the thread. May be called twice."""
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
            trio.run(partial(self._stay, started))
        finally:
            with self._lock:
                self._open = False
            # Those that were given in so late that nothing began them.
            for job in self._jobs:
                job.end()

    async def _stay(self, started: "Future[trio.lowlevel.TrioToken]") -> None:
        async with trio.open_nursery() as self._nursery:
            started.set_result(trio.lowlevel.current_trio_token())
            await trio.sleep_forever()
