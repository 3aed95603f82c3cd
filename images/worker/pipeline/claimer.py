"""Claiming: the second stage of the pipeline; received chunks become ours, or are left to whose they are."""

from collections.abc import Callable

import trio

from cloudkon.model import TaskState
from cloudkon.protocol import Claimed, Claiming, Done, Held, StateMachine
from cloudkon.protocol.claim import new_token

from .batcher import Batcher
from .claimed_chunk import ClaimedChunk, ReceivedChunk
from .finisher import Finisher
from .stage_services import StageServices

_AGE = 0.02
"""Seconds that a claim may wait for company: while another is under way, or while more comes and all is a trifle."""
_TRIFLE = 0.001
"""Seconds of work that are less than the CPU which one request more takes: no slot's wait for it is worth that."""
_SIZE = 25
_JITTER = 1.0
"""Seconds, so that the copies of many held chunks don't all come back at once."""


class Claimer:
    """Claims arrivals in batches and starts what it gets."""

    def __init__(self, kit: StageServices, closing: Finisher, make_token: Callable[[], str] = new_token) -> None:
        """Everything passed in."""
        self._kit = kit
        self._closing = closing
        self._make_token = make_token
        self._batcher = Batcher(self._flush, size=_SIZE, age=_AGE, idle=self._pressing)
        self._under_way = 0
        self._more = False
        self.draining = False

    def put(self, arrival: ReceivedChunk, *, more: bool) -> None:
        """Claim it as soon as may be; ``more`` tells that the queue gave all that it was asked for."""
        self._more = more
        self._batcher.put(arrival)
        if not more:
            self._batcher.nudge()

    async def run(self) -> None:
        """Run until cancelled."""
        await self._batcher.run()

    def _pressing(self) -> bool:
        """Whether it had better go now: a slot needs it, or nothing else is coming.

        Without this a worker that does empty tasks as fast as it can claims them in half-empty batches.
        """
        if self._under_way:
            return False
        average = self._kit.ready_queue.average
        trifle = average is not None and average * self._kit.inflight.queued < _TRIFLE
        return not (self._more and trifle)

    async def _flush(self, arrivals: list[ReceivedChunk]) -> None:
        self._under_way += 1
        try:
            if self.draining:
                await self._return(arrivals)
                return
            by_key = {arrival.key: arrival for arrival in arrivals}
            terms = self._kit.terms
            machines: list[StateMachine[Claimed | Held | Done]] = [
                Claiming(one.key, len(one.chunk), self._make_token(), terms) for one in arrivals
            ]
            until = self._kit.clock.monotonic() + terms.lease / 1000
            held: list[tuple[ReceivedChunk, float]] = []

            def each(verdict: Claimed | Held | Done) -> None:
                arrival = by_key[verdict.key]
                if isinstance(verdict, Claimed):
                    self._begin(ClaimedChunk(arrival, verdict.claim))
                elif isinstance(verdict, Done):
                    self._kit.log.debug("duplicate-done", chunk=str(verdict.key))
                    self._closing.publish_again(arrival, verdict.record.progress.results)
                else:
                    held.append((arrival, verdict.until))

            await self._kit.cancellations.learn(key.run for key in by_key)
            unsettled = await self._kit.driver.run(machines, each, until)
            for key in unsettled:
                # The ledger can't be asked; the message comes again by itself.
                self._kit.log.warning("claim-given-up", chunk=str(key))
                self._kit.inflight.forget(key)
            await self._leave(held)
        finally:
            self._under_way -= 1

    def _begin(self, holding: ClaimedChunk) -> None:
        if holding.claim.trusted_until > self._kit.clock.monotonic():
            self._start(holding)
            return
        # The answer took as long as the lease: somebody else may be running it by now.
        self._kit.log.warning("claim-lost", chunk=str(holding.key), stage="claim", why="answered too late")
        holding.lose(overdue=True)
        self._closing.release_late(holding)
        self._kit.inflight.forget(holding.key)

    def _start(self, holding: ClaimedChunk) -> None:
        self._kit.inflight.claimed(holding)
        if holding.careful:
            self._kit.log.warning("worker-lost", chunk=str(holding.key), losses=holding.inherited.losses)
            self._blame(holding)
        if holding.key.run in self._kit.cancellations.cancelled:
            holding.cancel(self._kit.name)
        if holding.finished:
            self._closing.complete(holding)
        elif self.draining:
            self._closing.release(holding)
        else:
            self._kit.ready_queue.add(holding)

    def _blame(self, holding: ClaimedChunk) -> None:
        """A task that was about to run whenever the worker died, too often, is what killed it."""
        suspicions = holding.inherited.suspicions
        for task in [
            one for one in holding.pending if suspicions.get(one.id.seq, 0) >= self._kit.settings.max_attempts
        ]:
            holding.pending.remove(task)
            error = f"worker lost {suspicions[task.id.seq]} times while it ran"
            holding.failures[task.id.seq] = holding.failures.get(task.id.seq, 0) + suspicions[task.id.seq]
            holding.give_up(task, TaskState.FAILED, error, self._kit.name)

    async def _leave(self, held: list[tuple[ReceivedChunk, float]]) -> None:
        async with trio.open_nursery() as nursery:
            for arrival, until in held:
                nursery.start_soon(self._leave_one, arrival, until)

    async def _leave_one(self, arrival: ReceivedChunk, until: float) -> None:
        """Give back what somebody else holds, the copies too that come in meanwhile."""
        given: set[str] = set()
        while left := [one for one in arrival.deliveries.values() if one.handle not in given]:
            given.update(one.handle for one in left)
            seconds = max(0.0, until - self._kit.clock.monotonic())
            self._kit.log.debug("held-elsewhere", chunk=str(arrival.key), seconds=round(seconds, 3))
            await self._kit.queue_client.give_back(left, seconds + self._kit.rng.uniform(0, _JITTER))
        # Only now: a worker that ends with empty hands must have given back what others hold.
        self._kit.inflight.forget(arrival.key)

    async def _return(self, arrivals: list[ReceivedChunk]) -> None:
        await self._kit.queue_client.give_back([one for arrival in arrivals for one in arrival.deliveries.values()])
        for arrival in arrivals:
            self._kit.inflight.forget(arrival.key)
