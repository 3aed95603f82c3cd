"""Renews leases and keeps messages hidden, and stops work whose lease can't be trusted any more.

A stale message handle does not stop work: the work goes on under the lease, and the worker that gets the other copy
finds DONE.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from cloudkon.model import ChunkKey
from cloudkon.ports import QueueOutcome
from cloudkon.protocol import Lost, Renewed, Renewing, StateMachine

from .claimed_chunk import ClaimedChunk, Stage
from .received_chunk import ReceivedChunk
from .stage_services import StageServices

C = TypeVar("C")
_DUE_SHARE = 2 / 3
"""Share of a lease or a visibility timeout that is left when it is renewed."""
_CHECKS_PER_LEASE = 12
"""Least number of times in a lease that all chunks are checked."""
_SHORTEST_CHECK_SECONDS = 0.1
"""Seconds between two checks, where the settings leave no margin."""
_STORE_SECONDS = 1.0
"""How long the start of a suspect waits for the store. If that is too short, the tasks with long outputs run again."""


class Heartbeat:
    """Renews in batches. Every renewal is also a checkpoint of the results so far; long outputs by their addresses."""

    def __init__(self, services: StageServices) -> None:
        """Renew the chunks that are in flight."""
        self._services = services

    async def run(self) -> None:
        """Check and renew until cancelled."""
        terms = self._services.terms
        # This worker must stop two margins before another one may take the chunk over, less the difference of their
        # clocks. Where leases are long, a few checks a lease would be too seldom for that.
        every = min(terms.lease / 1000 / _CHECKS_PER_LEASE, max(terms.margin / 2000, _SHORTEST_CHECK_SECONDS))
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(every)
                self._lose_overdue()
                if to_renew := self._take_due():
                    nursery.start_soon(self._log_errors, "renew-failed", self._renew, to_renew)
                    for chunk in to_renew:
                        if chunk.stage is Stage.ACTIVE and chunk.storing is None and chunk.has_long_results:
                            nursery.start_soon(self._guard, chunk, "store outputs", self._checkpoint_long)
                if to_hide := self._due_to_hide():
                    nursery.start_soon(self._log_errors, "hide-failed", self._hide, to_hide)

    async def checkpoint_now(self, chunk: ClaimedChunk) -> bool:
        """Renew one chunk now, so that its progress is in the ledger; return whether the claim still holds."""
        if chunk.has_long_results:
            with trio.move_on_after(_STORE_SECONDS):
                await self._guard(chunk, "store outputs", self._store_long)
            if not chunk.is_renewable:
                return False
        await chunk.renewal.acquire()
        before = chunk.claim
        await self._guard(chunk, "renew", lambda one: self._renew([one]))
        if chunk.is_renewable and chunk.claim is before:
            # The ledger did not answer in time. Nothing may start that is not recorded.
            self._lose(chunk, overdue=True)
        return chunk.stage is Stage.ACTIVE

    def _take_due(self) -> list[ClaimedChunk]:
        """Return the chunks to renew now, with their ``renewal`` acquired."""
        now = trio.current_time()
        trusted = self._services.terms.trusted_seconds
        due = [
            chunk
            for chunk in self._services.inflight.claimed.values()
            if chunk.is_renewable and chunk.claim.trusted_until - now < trusted * _DUE_SHARE and chunk.renewal.value
        ]
        for chunk in due:
            chunk.renewal.acquire_nowait()
        return due

    async def _renew(self, chunks: list[ClaimedChunk]) -> None:
        """Renew chunks whose ``renewal`` was acquired; each is released as soon as its own answer has come."""
        by_key = {chunk.key: chunk for chunk in chunks}
        received = {chunk.key: chunk.received for chunk in chunks}

        def on_verdict(verdict: Renewed | Lost) -> None:
            chunk = by_key.pop(verdict.key)
            chunk.renewal.release()
            if isinstance(verdict, Renewed):
                chunk.renew(verdict.claim)
            elif chunk.is_renewable:
                self._lose(chunk, overdue=False)

        def on_failure(key: ChunkKey, error: Exception) -> None:
            if released := by_key.pop(key, None):
                released.renewal.release()
            self._services.failures.fail(received[key], "renew", error)

        machines: list[StateMachine[Renewed | Lost]] = []
        for chunk in chunks:
            try:
                machines.append(Renewing(chunk.claim, chunk.checkpoint, self._services.terms))
            except Exception as error:  # noqa: BLE001  (whatever it is, it is this chunk's)
                on_failure(chunk.key, error)
        until = max(one.claim.trusted_until for one in chunks)
        try:
            await self._services.driver.run(machines, on_verdict, until, on_failure)
        finally:
            # Those without an answer, also if the task was stopped for which the suspect was being recorded.
            for chunk in by_key.values():
                chunk.renewal.release()

    async def _checkpoint_long(self, chunk: ClaimedChunk) -> None:
        """Store the outputs that the last renewal had to leave out, and renew once more, with their addresses."""
        await self._store_long(chunk)
        await chunk.renewal.acquire()
        if chunk.stage is Stage.ACTIVE:
            await self._renew([chunk])
        else:
            chunk.renewal.release()

    async def _guard(self, chunk: ClaimedChunk, stage: str, call: Callable[[ClaimedChunk], Awaitable[None]]) -> None:
        await self._services.failures.guard(chunk.received, stage, call, chunk)

    async def _log_errors(self, action: str, call: Callable[[list[C]], Awaitable[None]], chunks: list[C]) -> None:
        """Make a call for several chunks; after an unexpected error they are tried again when they are due."""
        try:
            await call(chunks)
        except Exception as error:  # noqa: BLE001  (whatever it is, the worker goes on)
            self._services.log.unexpected(action, error, chunks=len(chunks))

    async def _store_long(self, chunk: ClaimedChunk) -> None:
        """Store long outputs now instead of at the completion, which needs no additional request."""
        if chunk.storing is not None:
            await chunk.storing.wait()
            return
        with chunk.storing_outputs():
            await self._services.outputs.fit(chunk.results, chunk.claim.token, lambda: chunk.stage is Stage.ACTIVE)

    def _lose_overdue(self) -> None:
        """Give up the chunks that were not renewed in time. It makes no call, because a call could hang."""
        now = trio.current_time()
        for chunk in list(self._services.inflight.claimed.values()):
            if chunk.is_renewable and now >= chunk.claim.trusted_until:
                self._lose(chunk, overdue=True)

    def _lose(self, chunk: ClaimedChunk, *, overdue: bool) -> None:
        why = "not renewed in time" if overdue else "renewal refused"
        self._services.lost_claims.add(chunk.key, "running", why=why)
        chunk.lose(overdue=overdue)
        self._services.inflight.forget(chunk.key)

    def _due_to_hide(self) -> list[ReceivedChunk]:
        """Return the chunks whose messages must be hidden for longer; they count as hidden from now on."""
        now, visibility = trio.current_time(), self._services.settings.visibility_seconds
        due = [
            one for one in self._services.inflight.all_received() if one.hidden_until - now < visibility * _DUE_SHARE
        ]
        for received in due:
            received.hide_until(now + visibility)
        return due

    async def _hide(self, chunks: list[ReceivedChunk]) -> None:
        visibility = self._services.settings.visibility_seconds
        pairs = [(received, delivery) for received in chunks for delivery in received.deliveries.values()]
        outcomes = await self._services.queue_client.hide([delivery for _, delivery in pairs], visibility)
        for (received, delivery), outcome in zip(pairs, outcomes, strict=True):
            if outcome is QueueOutcome.GONE:
                self._services.log.info("handle-stale", chunk=str(received.key), message=delivery.message_id)
                received.drop_stale(delivery)
            elif outcome is QueueOutcome.FAILED:
                # Perhaps they are hidden, perhaps not: hide them again at the next check.
                received.hide_until(trio.current_time())
