"""Takes chunks that this worker can't run out of the pipeline, so that all other chunks go on.

This is the one place for it, whatever the stage. A chunk that can never be run is rejected: its messages become dead
letters with the reason. One that another worker may be able to run, or this one later, is postponed: its messages are
put back for longer each time, and rejected in the end. The same happens after an unexpected error, which may be a
mistake in our own code. Then its running tasks are stopped and the claim is released first, so that no task runs twice
and no worker counts as dead. This also holds for a claim that failed, since it may have been made all the same.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from cloudkon.log import Log, text_of
from cloudkon.ports import Clock
from cloudkon.protocol import LedgerDriver, Released, Releasing, StateMachine, Terms, Withdrawing

from ..queues.queue_client import Rejection
from ..queues.redelivery import Redelivery
from .batcher import Batcher
from .claimed_chunk import ClaimedChunk
from .inflight import InFlight
from .received_chunk import ReceivedChunk


class _Postponed(NamedTuple):
    """A chunk to put back. ``claimed`` is ``None`` if this worker has no claim on it.

    Then ``token`` is that of a claim which may have been made all the same; empty if it wasn't.
    """

    received: ReceivedChunk
    claimed: ClaimedChunk | None
    reason: str
    token: str = ""


class ChunkFailures:
    """The chunks that a stage gave up."""

    def __init__(
        self,
        driver: LedgerDriver,
        terms: Terms,
        clock: Clock,
        inflight: InFlight,
        redelivery: Redelivery,
        on_rejected: Callable[[Rejection], None],
        log: Log,
    ) -> None:
        """``on_rejected`` is called for each message that belongs in the dead-letter queue."""
        self._driver = driver
        self._terms = terms
        self._clock = clock
        self._inflight = inflight
        self._redelivery = redelivery
        self._on_rejected = on_rejected
        self._log = log
        self._batcher = Batcher(
            self._flush, size=1, age=0.0, idle=lambda: True, on_failure=lambda one, _: self._forget(one.received)
        )
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Put back postponed chunks until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._batcher.run)

    def reject(self, received: ReceivedChunk, reason: str) -> None:
        """Make dead letters of a chunk's messages."""
        self._log.warning("chunk-rejected", chunk=str(received.key), error=reason)
        for delivery in received.deliveries.values():
            self._on_rejected(Rejection(delivery, reason))
        self._forget(received)

    def postpone(self, received: ReceivedChunk, reason: str) -> None:
        """Put a chunk's messages back for later, or make dead letters of them if that was done too often."""
        self._log.warning("chunk-postponed", chunk=str(received.key), error=reason)
        self._batcher.put(_Postponed(received, None, reason))

    def fail(self, received: ReceivedChunk, stage: str, error: Exception) -> None:
        """Give up a chunk after an unexpected error; ``stage`` names what the worker was doing with it."""
        self._log.unexpected("chunk-failed", error, chunk=str(received.key), stage=stage)
        reason = f"unexpected error while the worker tried to {stage}: {text_of(error)}"
        claimed = self._inflight.claimed.get(received.key)
        if claimed is None or claimed.received is not received:
            self._batcher.put(_Postponed(received, None, reason, received.token))
            return
        claimed.lose(overdue=False)
        assert self._nursery is not None
        self._nursery.start_soon(self._put_when_idle, _Postponed(received, claimed, reason), claimed)

    async def _put_when_idle(self, postponed: _Postponed, claimed: ClaimedChunk) -> None:
        # A released chunk may run in another worker at once.
        await claimed.wait_idle()
        self._batcher.put(postponed)

    async def guard(
        self, received: ReceivedChunk, stage: str, call: Callable[..., Awaitable[object]], *arguments: object
    ) -> None:
        """Make a call about one chunk; give the chunk up if the call raises an unexpected error."""
        try:
            await call(*arguments)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is this chunk's)
            self.fail(received, stage, error)

    async def _flush(self, postponed: list[_Postponed]) -> None:
        for received, claimed, reason, token in postponed:
            if claimed is not None:
                await self._release(claimed)
            elif token:
                await self._run_release(Withdrawing(received.key, token, self._terms))
            await self._put_back(received, reason)
            self._forget(received)

    async def _release(self, chunk: ClaimedChunk) -> None:
        """Clear the lease. If the results so far are what can't be recorded, leave those that the ledger has."""
        try:
            progress = chunk.checkpoint
        except Exception as error:  # noqa: BLE001  (the results may be what is wrong with the chunk)
            self._log.unexpected("release-failed", error, chunk=str(chunk.key))
        else:
            if await self._run_release(Releasing(chunk.claim, progress, self._terms)):
                return
        await self._run_release(Releasing(chunk.claim, chunk.claim.record.progress, self._terms))

    async def _run_release(self, machine: StateMachine[Released]) -> bool:
        """Release a claim; return whether another try makes no difference, as there was no unexpected error.

        If that fails, or the ledger does not answer for a lease, the next worker takes the chunk over when our lease
        ends.
        """
        failed: list[Exception] = []
        try:
            unanswered = await self._driver.run(
                [machine],
                self._on_released,
                self._clock.monotonic() + self._terms.lease / 1000,
                lambda _, error: failed.append(error),
            )
        except Exception as error:  # noqa: BLE001  (whatever it is, the chunk's messages must be put back)
            failed.append(error)
        else:
            if unanswered:
                self._log.warning("release-given-up", chunk=str(machine.key), error="the ledger did not answer")
        for cause in failed:
            self._log.unexpected("release-failed", cause, chunk=str(machine.key))
        return not failed

    def _on_released(self, verdict: Released) -> None:
        self._log.info("released", chunk=str(verdict.key))

    async def _put_back(self, received: ReceivedChunk, reason: str) -> None:
        """Put back the messages, and the copies that come in meanwhile."""
        seen: set[str] = set()
        while left := received.take_new(seen):
            exhausted = [one for one in left if self._redelivery.is_exhausted(one)]
            for delivery in exhausted:
                self._log.warning("chunk-rejected", chunk=str(received.key), error=reason)
                self._on_rejected(Rejection(delivery, reason))
            await self._redelivery.put_back([one for one in left if one not in exhausted])

    def _forget(self, received: ReceivedChunk) -> None:
        if self._inflight.find(received.key) is received:
            self._inflight.forget(received.key)
