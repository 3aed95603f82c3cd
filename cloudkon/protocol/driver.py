"""Runs many state machines at once: 25 requests a call, with growing waits while the ledger fails."""

import random
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import trio

from cloudkon.backoff import Backoff
from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import ChunkKey
from cloudkon.ports import Clock, Ledger, Read, Request, Write, WriteOutcome
from cloudkon.ports.batch import batched
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import Response, StateMachine, Verdict

V = TypeVar("V", bound=Verdict)
_OnResponse = Callable[[Request, Instant, Response], None]
BACKOFF: Final = Backoff(first=0.1, most=5.0, jitter=1.0)
"""The waits between calls to a failing ledger: anywhere from 0 s to 0.1 s at first, to 5 s in the end."""
FAILURE_SECONDS: Final = 2.0
"""How long after a failed call the ledger still counts as failing, unless a call succeeds."""


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
        self, machines: Sequence[StateMachine[V]], on_verdict: Callable[[V], None], until: float = float("inf")
    ) -> list[ChunkKey]:
        """Run state machines, each of another chunk, to their verdicts.

        ``on_verdict`` is called with each verdict as soon as it is known. Failed requests are repeated until monotonic
        time ``until``. Returns the keys of the chunks that had no verdict by then.
        """
        pending = {machine.key: machine for machine in machines}
        failed_rounds = 0
        while pending:
            before = len(pending)
            failures = await self._round(pending, on_verdict)
            if self._clock.monotonic() >= until:
                break
            if failures:
                failed_rounds = failed_rounds + 1 if len(pending) == before else 1
                await trio.sleep(BACKOFF.wait(failed_rounds, self._rng))
        return list(pending)

    async def _round(self, pending: dict[ChunkKey, StateMachine[V]], on_verdict: Callable[[V], None]) -> int:
        """Send one request for each pending state machine. Returns how many requests failed."""
        failures = 0

        def on_response(request: Request, sent: Instant, response: Response) -> None:
            nonlocal failures
            if response is WriteOutcome.FAILED:
                failures += 1
                if isinstance(request, Read):
                    return
            outcome = pending[request.key].on_response(request, sent, response)
            if isinstance(outcome, Verdict):
                del pending[request.key]
                on_verdict(outcome)
            else:
                pending[request.key] = outcome

        now = Instant.now(self._clock)
        requests = [machine.ask(now) for machine in pending.values()]
        # A batch is all reads or all writes.
        reads = [request for request in requests if isinstance(request, Read)]
        writes = [request for request in requests if not isinstance(request, Read)]
        if not reads and len(writes) <= STATEMENTS:
            # This is nearly always the case. A nursery for one call would cost a sixth of the call.
            await self._write(writes, now, on_response)
            return self._note(failures)
        async with trio.open_nursery() as nursery:
            for some_reads in batched(reads, STATEMENTS):
                nursery.start_soon(self._read, some_reads, now, on_response)
            for some_writes in batched(writes, STATEMENTS):
                nursery.start_soon(self._write, some_writes, now, on_response)
        return self._note(failures)

    def _note(self, failures: int) -> int:
        self._failed_at = self._clock.monotonic() if failures else float("-inf")
        return failures

    async def _read(self, requests: Sequence[Read], sent: Instant, on_response: _OnResponse) -> None:
        responses: Sequence[Response]
        try:
            responses = await self._ledger.read([request.key for request in requests])
        except CloudKonError as error:
            responses = self._all_failed(requests, error)
        for request, response in zip(requests, responses, strict=True):
            on_response(request, sent, response)

    async def _write(self, requests: Sequence[Write], sent: Instant, on_response: _OnResponse) -> None:
        responses: Sequence[Response]
        try:
            responses = await self._ledger.write(requests)
        except CloudKonError as error:
            responses = self._all_failed(requests, error)
        for request, response in zip(requests, responses, strict=True):
            on_response(request, sent, response)

    def _all_failed(self, requests: Sequence[Request], error: CloudKonError) -> list[Response]:
        # Whatever the error is, only a refused condition may mean that another worker has the chunk: try again.
        self._log.warning("ledger-failed", error=str(error), chunks=len(requests))
        return [WriteOutcome.FAILED] * len(requests)
