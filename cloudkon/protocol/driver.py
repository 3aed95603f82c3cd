"""Runs many state machines at once: 25 requests a call, with growing waits while the ledger fails.

An unexpected error is the failure of one chunk: of the one whose request, response or verdict raised it. If a call for
several chunks raised it, the call is repeated for each of them alone.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import trio

from cloudkon.backoff import Backoff
from cloudkon.errors import CloudKonError, MalformedMessage, ServiceError
from cloudkon.log import Log
from cloudkon.model import ChunkKey
from cloudkon.ports import Clock, Ledger, Read, Request, WriteOutcome
from cloudkon.ports.batch import batched
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import Response, StateMachine, Verdict

V = TypeVar("V", bound=Verdict)
R = TypeVar("R", bound=Request)
OnFailure = Callable[[ChunkKey, Exception], None]
BACKOFF: Final = Backoff(first=0.1, most=5.0, jitter=1.0)
"""The waits between calls to a failing ledger: anywhere from 0 s to 0.1 s at first, to 5 s in the end."""
FAILURE_SECONDS: Final = 2.0
"""How long after a failed call the ledger still counts as failing, unless a call succeeds."""


class _Exchanges(Generic[V]):
    """The state machines that have no verdict yet. ``failures`` counts requests that failed since it was reset."""

    def __init__(
        self, machines: Sequence[StateMachine[V]], on_verdict: Callable[[V], None], on_failure: OnFailure | None
    ) -> None:
        self.pending = {machine.key: machine for machine in machines}
        self.failures = 0
        self._on_verdict = on_verdict
        self._on_failure = on_failure

    def requests(self, now: Instant) -> list[Request]:
        """Return the next request of each state machine."""
        requests: list[Request] = []
        for key, machine in list(self.pending.items()):
            try:
                requests.append(machine.ask(now))
            except Exception as error:  # noqa: BLE001  (whatever it is, it is this chunk's)
                self.fail(key, error)
        return requests

    def on_response(self, request: Request, sent: Instant, response: Response) -> None:
        """Give a state machine the response to its request."""
        if response is WriteOutcome.IMPOSSIBLE:
            self.fail(request.key, MalformedMessage(f"the ledger can't store the item of chunk {request.key}"))
            return
        if response is WriteOutcome.FAILED:
            self.failures += 1
            if isinstance(request, Read):
                return
        try:
            outcome = self.pending[request.key].on_response(request, sent, response)
            if isinstance(outcome, Verdict):
                del self.pending[request.key]
                self._on_verdict(outcome)
            else:
                self.pending[request.key] = outcome
        except Exception as error:  # noqa: BLE001  (whatever it is, it is this chunk's)
            self.fail(request.key, error)

    def fail(self, key: ChunkKey, error: Exception) -> None:
        """Give up a chunk because of an unexpected error."""
        if self._on_failure is None:
            raise error
        self.pending.pop(key, None)
        self._on_failure(key, error)


class LedgerDriver:
    """A worker's only access to the chunk records of the ledger."""

    def __init__(self, ledger: Ledger, clock: Clock, rng: random.Random, log: Log) -> None:
        """Everything it needs is passed in, so that a simulation can replace it."""
        self._ledger = ledger
        self._clock = clock
        self._rng = rng
        self._log = log
        self._failed_at = float("-inf")

    @property
    def failing(self) -> bool:
        """Whether a call failed in the last seconds, as a whole or in part, and no call succeeded since.

        While it is true, receive nothing new. It becomes false again after a while, so that some worker tries again.
        """
        return self._clock.monotonic() < self._failed_at + FAILURE_SECONDS

    async def run(
        self,
        machines: Sequence[StateMachine[V]],
        on_verdict: Callable[[V], None],
        until: float = float("inf"),
        on_failure: OnFailure | None = None,
    ) -> list[ChunkKey]:
        """Run state machines, each of another chunk, to their verdicts.

        ``on_verdict`` is called with each verdict as soon as it is known. Failed requests are repeated until monotonic
        time ``until``. Returns the keys of the chunks that had no verdict by then. ``on_failure`` is called with the
        unexpected error of a chunk, which then gets no verdict; without ``on_failure`` the error is raised.
        """
        exchanges = _Exchanges(machines, on_verdict, on_failure)
        failed_rounds = 0
        while exchanges.pending:
            before = len(exchanges.pending)
            failures = await self._round(exchanges)
            if self._clock.monotonic() >= until:
                break
            if failures:
                failed_rounds = failed_rounds + 1 if len(exchanges.pending) == before else 1
                await trio.sleep(BACKOFF.wait(failed_rounds, self._rng))
        return list(exchanges.pending)

    async def _round(self, exchanges: _Exchanges[V]) -> int:
        """Send one request for each pending state machine. Returns how many requests failed."""
        exchanges.failures = 0
        now = Instant.now(self._clock)
        requests = exchanges.requests(now)
        # A batch is all reads or all writes.
        reads = [request for request in requests if isinstance(request, Read)]
        writes = [request for request in requests if not isinstance(request, Read)]
        if not reads and len(writes) <= STATEMENTS:
            # This is nearly always the case. A nursery for one call would cost a sixth of the call.
            await self._call(self._ledger.write, writes, now, exchanges)
        else:
            async with trio.open_nursery() as nursery:
                for some_reads in batched(reads, STATEMENTS):
                    nursery.start_soon(self._call, self._read, some_reads, now, exchanges)
                for some_writes in batched(writes, STATEMENTS):
                    nursery.start_soon(self._call, self._ledger.write, some_writes, now, exchanges)
        self._failed_at = self._clock.monotonic() if exchanges.failures else float("-inf")
        return exchanges.failures

    async def _read(self, requests: Sequence[Read]) -> Sequence[Response]:
        return await self._ledger.read([request.key for request in requests])

    async def _call(
        self,
        call: Callable[[Sequence[R]], Awaitable[Sequence[Response]]],
        requests: Sequence[R],
        sent: Instant,
        exchanges: _Exchanges[V],
    ) -> None:
        """Make a call for some chunks, and again for each chunk alone if what one of them brings may have failed it."""
        try:
            responses = await call(requests)
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not fail the other chunks)
            outage = isinstance(error, CloudKonError)
            if len(requests) > 1 and (not outage or type(error) is ServiceError):
                for request in requests:
                    await self._call(call, [request], sent, exchanges)
                return
            if not outage:
                for request in requests:
                    exchanges.fail(request.key, error)
                return
            # Only a refused condition may mean that another worker has the chunk: try again.
            self._log.warning("ledger-failed", error=str(error), chunks=len(requests))
            responses = [WriteOutcome.FAILED] * len(requests)
        for request, response in zip(requests, responses, strict=True):
            exchanges.on_response(request, sent, response)
