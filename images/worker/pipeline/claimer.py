"""Claims received chunks in batches, and gives back the messages of those that another worker holds."""

from collections.abc import Callable

import trio

from cloudkon.model import Run
from cloudkon.protocol import Claimed, Claiming, ClaimVerdict, Done, Held, Mismatched, StateMachine, Unreadable
from cloudkon.protocol.claim import new_token

from .batcher import Batcher
from .claimed_chunk import ClaimedChunk
from .finisher import Finisher
from .received_chunk import ReceivedChunk
from .stage_services import StageServices

_AGE_SECONDS = 0.02
"""How long a claim may wait for others to join its batch."""
_SHORT_SECONDS = 0.001
"""Work below which a slot may wait: one request more would take more CPU than that."""
_SIZE = 25
_JITTER_SECONDS = 1.0
"""So that the copies of many held chunks don't all come back at once."""


class Claimer:
    """The second stage of the pipeline: starts the chunks that it could claim."""

    def __init__(self, services: StageServices, finisher: Finisher, make_token: Callable[[], str] = new_token) -> None:
        """``make_token`` is called for each claim."""
        self._services = services
        self._finisher = finisher
        self._make_token = make_token
        self._batcher = Batcher(
            self._flush,
            size=_SIZE,
            age=_AGE_SECONDS,
            idle=self._is_urgent,
            on_failure=lambda received, error: services.failures.fail(received, "claim", error),
        )
        self._calls = 0
        """Batches that are being claimed."""
        self._more = False
        self.draining = False

    def put(self, received: ReceivedChunk, *, more: bool) -> None:
        """Claim a chunk soon; ``more`` is true if the receive was full, so that more chunks may follow."""
        self._more = more
        self._batcher.put(received)
        if not more:
            self._batcher.nudge()

    async def run(self) -> None:
        """Claim until cancelled."""
        await self._batcher.run()

    def _is_urgent(self) -> bool:
        """Whether the batch should go now, because a slot needs it or nothing else is coming.

        Without this check a worker that runs empty tasks as fast as it claims them would send half-empty batches.
        """
        if self._calls:
            return False
        average = self._services.durations.average
        short = average is not None and average * self._services.inflight.queued < _SHORT_SECONDS
        return not (self._more and short)

    async def _flush(self, batch: list[ReceivedChunk]) -> None:
        self._calls += 1
        try:
            if self.draining:
                await self._return(batch)
            else:
                await self._claim(batch)
        finally:
            self._calls -= 1

    async def _claim(self, batch: list[ReceivedChunk]) -> None:
        runs = await self._services.cancellations.refresh(one.key.run for one in batch)
        # A chunk whose claim raised an unexpected error comes a second time, alone.
        waiting = [one for one in batch if self._services.inflight.received.get(one.key) is one]
        by_key = {one.key: one for one in waiting if self._has_its_place(one, runs.get(one.key.run))}
        held: list[tuple[ReceivedChunk, float]] = []

        def on_verdict(verdict: ClaimVerdict) -> None:
            received = by_key[verdict.key]
            if isinstance(verdict, Claimed):
                self._begin(ClaimedChunk(received, verdict.claim))
            elif isinstance(verdict, Held):
                held.append((received, verdict.until))
            else:
                self._decline(received, verdict)

        unsettled = await self._services.driver.run(
            [self._claiming(one) for one in by_key.values()],
            on_verdict,
            self._services.clock.monotonic() + self._services.terms.lease / 1000,
            lambda key, error: self._services.failures.fail(by_key[key], "claim", error),
        )
        for key in unsettled:
            # The ledger did not answer in time.
            self._services.log.warning("claim-given-up", chunk=str(key))
            self._finisher.withdraw_claim(by_key[key])
        await self._give_back_held(held)

    def _claiming(self, received: ReceivedChunk) -> StateMachine[ClaimVerdict]:
        chunk, terms, token = received.chunk, self._services.terms, received.claim_token(self._make_token)
        return Claiming(chunk.key, len(chunk), token, terms, digest=received.digest, first=chunk.first)

    def _has_its_place(self, received: ReceivedChunk, run: Run | None) -> bool:
        """Whether the chunk is one of its run's; reject it otherwise. A run that has no item has no places."""
        chunk = received.chunk
        if run is None or not (reason := run.misfit(chunk.key, chunk.first, len(chunk), self._services.pool)):
            return True
        self._services.failures.reject(received, reason)
        return False

    def _decline(self, received: ReceivedChunk, verdict: Done | Unreadable | Mismatched) -> None:
        """Deal with a chunk that nobody will run now."""
        key = received.key
        if isinstance(verdict, Done):
            self._services.log.debug("duplicate-done", chunk=str(key))
            self._finisher.publish_again(received, verdict.record.progress.results)
        elif isinstance(verdict, Unreadable):
            self._services.failures.postpone(received, verdict.reason)
        else:
            self._services.failures.reject(
                received, f"chunk {key.number} of run {key.run} was claimed with other tasks"
            )

    def _begin(self, chunk: ClaimedChunk) -> None:
        if chunk.claim.trusted_until > self._services.clock.monotonic():
            self._start(chunk)
            return
        # The answer took as long as the lease: another worker may run the chunk by now.
        self._services.lost_claims.add(chunk.key, "claim", why="answered too late")
        chunk.lose(overdue=True)
        self._finisher.release_late(chunk)
        self._services.inflight.forget(chunk.key)

    def _start(self, chunk: ClaimedChunk) -> None:
        self._services.inflight.add_claimed(chunk)
        if chunk.inherited.losses:
            self._services.log.warning("worker-lost", chunk=str(chunk.key), losses=chunk.inherited.losses)
            chunk.fail_repeated_suspects(self._services.settings.max_attempts, self._services.name)
        if chunk.key.run in self._services.cancellations.cancelled:
            chunk.cancel(self._services.name)
        if chunk.finished:
            self._finisher.complete(chunk)
        elif self.draining:
            self._finisher.release(chunk)
        else:
            self._services.ready_queue.add(chunk)

    async def _give_back_held(self, held: list[tuple[ReceivedChunk, float]]) -> None:
        async with trio.open_nursery() as nursery:
            for received, until in held:
                nursery.start_soon(
                    self._services.failures.guard, received, "give back", self._give_back_one, received, until
                )

    async def _give_back_one(self, received: ReceivedChunk, until: float) -> None:
        """Give back the messages of a chunk that another worker holds, and the copies that come in meanwhile."""
        given: set[str] = set()
        while left := received.take_new(given):
            seconds = max(0.0, until - self._services.clock.monotonic())
            self._services.log.debug("held-elsewhere", chunk=str(received.key), seconds=round(seconds, 3))
            jitter = self._services.rng.uniform(0, _JITTER_SECONDS)
            await self._services.queue_client.give_back(left, seconds + jitter)
        # Not earlier: a worker that ends once nothing is in flight must have given back what others hold.
        self._services.inflight.forget(received.key)

    async def _return(self, batch: list[ReceivedChunk]) -> None:
        """Give back chunks that were not claimed, because the worker is stopping."""
        await self._services.queue_client.give_back([one for chunk in batch for one in chunk.deliveries.values()])
        for received in batch:
            self._services.inflight.forget(received.key)
