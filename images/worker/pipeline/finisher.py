"""Closing: complete → publish → delete, or release → give back. What makes a result the recorded one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import trio

from cloudkon.model import ChunkKey, Delivery, Result
from cloudkon.ports.batch import batched
from cloudkon.protocol import Completing, Lost, Recorded, Released, Releasing, StateMachine
from cloudkon.wire.message import MESSAGE_LIMIT
from cloudkon.wire.report import MOST_RESULTS, encode_report

from .batcher import Batcher
from .claimed_chunk import ClaimedChunk, ReceivedChunk, Stage
from .stage_services import StageServices

# Ages and sizes as measured: longer saves no call under load, shorter makes more of them.
_COMPLETE_AGE, _COMPLETE_SIZE = 0.2, 25
_PUBLISH_AGE, _PUBLISH_SIZE = 0.1, 500
_DELETE_AGE, _DELETE_SIZE = 0.5, 10
_SMALL = 1024
"""Characters of text in a chunk's results that fit in any case."""
_STORE_SECONDS = 1.0
"""For how long a release waits for the store: without it, the tasks with long outputs run again."""
_REPORT_LIMIT = MESSAGE_LIMIT // 2
"""Bytes of a report: the queue writes characters that SQS refuses as escapes, which are twice as long."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Recorded results of a chunk, and the messages that may go once these are published."""

    arrival: ReceivedChunk
    results: tuple[Result, ...]


class Finisher:
    """The last stages of the pipeline, each behind the one before."""

    def __init__(self, kit: StageServices) -> None:
        """Everything passed in."""
        self._kit = kit
        self.draining = False
        self.lost = 0
        """Chunks whose claim was lost before they were completed."""
        self._complete = Batcher(
            self._flush_complete, size=_COMPLETE_SIZE, age=_COMPLETE_AGE, idle=self._idle, on_done=self.nudge
        )
        self._publish = Batcher(
            self._flush_publish, size=_PUBLISH_SIZE, age=_PUBLISH_AGE, idle=self._quiet, on_done=self.nudge
        )
        self._delete = Batcher(self._flush_delete, size=_DELETE_SIZE, age=_DELETE_AGE, idle=self._settled)
        self._release = Batcher(self._flush_release, size=_COMPLETE_SIZE, age=0.0, idle=lambda: True)
        self._nursery: trio.Nursery | None = None

    def complete(self, holding: ClaimedChunk) -> None:
        """Every task has its result: record them."""
        self._close(holding, self._complete)

    def release(self, holding: ClaimedChunk) -> None:
        """Give the chunk back with its results so far."""
        self._close(holding, self._release, _STORE_SECONDS)

    def release_late(self, holding: ClaimedChunk) -> None:
        """Give back a chunk whose lease our own clock ended, unless somebody has it by now: the fence will tell.

        Else its next worker would take us for dead, and blame the task that ran when the ledger was out of reach.
        """
        assert self._nursery is not None
        until = self._kit.clock.monotonic() + self._kit.terms.lease / 1000
        self._nursery.start_soon(self._let_go, holding, until)

    def publish_again(self, arrival: ReceivedChunk, results: tuple[Result, ...]) -> None:
        """Somebody completed it and may have died before publishing."""
        self._publish.put(Publication(arrival, results))

    def nudge(self) -> None:
        """Look again whether batches may go."""
        self._complete.nudge()
        self._publish.nudge()
        self._delete.nudge()

    async def run(self) -> None:
        """Run the stages until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for stage in (self._complete, self._publish, self._delete, self._release):
                nursery.start_soon(stage.run)

    async def flushed(self) -> None:
        """Wait until every stage is empty."""
        for stage in (self._complete, self._release, self._publish, self._delete):
            await stage.empty()

    # Nothing else is coming: for completions when the slots have nothing to do, for publications when nothing is
    # being completed either, for deletions when nothing is being published either.
    def _idle(self) -> bool:
        return self.draining or not self._kit.ready_queue.busy

    def _quiet(self) -> bool:
        return self._idle() and not len(self._complete)

    def _settled(self) -> bool:
        return self._quiet() and not len(self._publish)

    def _close(
        self, holding: ClaimedChunk, batcher: Batcher[ClaimedChunk], store_seconds: float = float("inf")
    ) -> None:
        if sum(len(result.output) + len(result.error) for result in holding.results.values()) < _SMALL:
            holding.stage = Stage.CLOSING
            batcher.put(holding)
        else:
            holding.stage = Stage.STORING
            assert self._nursery is not None
            self._nursery.start_soon(self._store, holding, batcher, store_seconds)

    async def _store(self, holding: ClaimedChunk, batcher: Batcher[ClaimedChunk], seconds: float) -> None:
        with trio.move_on_after(seconds):
            if holding.keeping is not None:
                # What a heartbeat is storing would be stored, and paid for, twice.
                await holding.keeping.wait()
            await self._kit.outputs.fit(holding.results, holding.claim.token, lambda: holding.stage is Stage.STORING)
        if holding.stage is Stage.STORING:
            holding.stage = Stage.CLOSING
            batcher.put(holding)

    async def _flush_complete(self, holdings: list[ClaimedChunk]) -> None:
        def each(verdict: Recorded | Lost) -> None:
            holding = self._kit.inflight.holdings[verdict.key]
            if isinstance(verdict, Recorded):
                self._publish.put(Publication(holding.arrival, verdict.record.progress.results))
            else:
                self.lost += 1
                self._kit.log.warning("claim-lost", chunk=str(verdict.key), stage="complete")
                self._kit.inflight.forget(verdict.key)

        machines: list[StateMachine[Recorded | Lost]] = [
            Completing(one.claim, one.progress, self._kit.terms) for one in holdings
        ]
        await self._kit.driver.run(machines, each)

    async def _flush_publish(self, publications: list[Publication]) -> None:
        by_run: dict[str, list[Result]] = {}
        for publication in publications:
            by_run.setdefault(publication.arrival.key.run, []).extend(publication.results)
        reports = [report for run, results in by_run.items() for report in _reports(run, results)]
        await self._kit.queue_client.publish(reports)
        for publication in publications:
            for delivery in publication.arrival.deliveries.values():
                self._delete.put(delivery)
            self._kit.inflight.forget(publication.arrival.key)

    async def _flush_delete(self, deliveries: list[Delivery]) -> None:
        await self._kit.queue_client.delete(deliveries)

    async def _flush_release(self, holdings: list[ClaimedChunk]) -> None:
        await self._clear(holdings)
        # Before they are given back: our own poll may have one again while the answer is on its way, and it must be a
        # new arrival then, not one more copy of what we are about to forget.
        for holding in holdings:
            self._kit.inflight.forget(holding.key)
        await self._give_back(holdings)

    async def _let_go(self, holding: ClaimedChunk, until: float) -> None:
        if not await self._clear([holding], until):
            await self._give_back([holding])

    async def _give_back(self, holdings: list[ClaimedChunk]) -> None:
        # Only when the lease is cleared: a message that is back before it would be held for the rest of it.
        await self._kit.queue_client.give_back([one for h in holdings for one in h.arrival.deliveries.values()])

    async def _clear(self, holdings: list[ClaimedChunk], until: float = float("inf")) -> list[ChunkKey]:
        """Clear their leases in the ledger; give the keys of those that it did not answer for in time."""

        def each(verdict: Released) -> None:
            self._kit.log.info("released", chunk=str(verdict.key))

        machines: list[StateMachine[Released]] = [
            Releasing(one.claim, one.checkpoint, self._kit.terms) for one in holdings
        ]
        return await self._kit.driver.run(machines, each, until)


def _reports(run: str, results: Sequence[Result]) -> Iterator[str]:
    """Reports of as many results as fit a message: JSON can make six bytes of one."""
    for some in batched(results, MOST_RESULTS):
        report = encode_report(run, some)
        if len(some) == 1 or len(report.encode()) <= _REPORT_LIMIT:
            yield report
        else:
            half = len(some) // 2
            yield from _reports(run, some[:half])
            yield from _reports(run, some[half:])
