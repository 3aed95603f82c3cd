"""Completes a chunk, publishes its results and deletes its messages; or releases it and gives its messages back.

The completion is what makes a result the recorded one.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import trio

from cloudkon.model import ChunkKey, Delivery, Result
from cloudkon.ports.batch import batched
from cloudkon.protocol import Completing, Lost, Recorded, Released, Releasing, StateMachine, Withdrawing
from cloudkon.wire.message import MESSAGE_LIMIT
from cloudkon.wire.report import MOST_RESULTS, encode_report

from .batcher import Batcher
from .claimed_chunk import ClaimedChunk, Stage
from .received_chunk import ReceivedChunk
from .stage_services import StageServices

C = TypeVar("C")
# Ages (in seconds) and sizes were measured: longer ages save no call under load, shorter ones make more calls.
_COMPLETE_AGE, _COMPLETE_SIZE = 0.2, 25
_PUBLISH_AGE, _PUBLISH_SIZE = 0.1, 500
_DELETE_AGE, _DELETE_SIZE = 0.5, 10
_SMALL_CHARACTERS = 1024
"""Characters of text in a chunk's results that certainly fit an item."""
_STORE_SECONDS = 1.0
"""How long a release waits for the store. If that is too short, the tasks with long outputs run again."""
_REPORT_BYTES = MESSAGE_LIMIT // 2
"""Most bytes of a report: the queue escapes characters that SQS refuses, which doubles their length."""


@dataclass(frozen=True, slots=True)
class Publication:
    """The recorded results of a chunk, and the messages to delete once they are published."""

    received: ReceivedChunk
    results: tuple[Result, ...]


class Finisher:
    """The last stages of the pipeline; each one feeds the next."""

    def __init__(self, services: StageServices) -> None:
        """Make the stages; ``run`` runs them."""
        self._services = services
        self.draining = False
        fail = services.failures.fail
        self._complete = Batcher(
            self._flush_complete,
            size=_COMPLETE_SIZE,
            age=_COMPLETE_AGE,
            idle=self._no_task_ready,
            on_failure=lambda chunk, error: fail(chunk.received, "complete", error),
            on_done=self.nudge,
        )
        self._publish = Batcher(
            self._flush_publish,
            size=_PUBLISH_SIZE,
            age=_PUBLISH_AGE,
            idle=self._no_completion,
            on_failure=lambda publication, error: fail(publication.received, "publish", error),
            on_done=self.nudge,
        )
        self._delete = Batcher(
            self._flush_delete,
            size=_DELETE_SIZE,
            age=_DELETE_AGE,
            idle=self._no_publication,
            # The message comes again, and its chunk is found done.
            on_failure=lambda delivery, error: services.log.unexpected(
                "delete-failed", error, message=delivery.message_id
            ),
        )
        self._release = Batcher(
            self._flush_release,
            size=_COMPLETE_SIZE,
            age=0.0,
            idle=lambda: True,
            on_failure=lambda chunk, error: fail(chunk.received, "release", error),
        )
        self._nursery: trio.Nursery | None = None

    def complete(self, chunk: ClaimedChunk) -> None:
        """Record the results of a chunk all of whose tasks have one."""
        self._close(chunk, self._complete)

    def release(self, chunk: ClaimedChunk) -> None:
        """Give a chunk back with its results so far."""
        self._close(chunk, self._release, _STORE_SECONDS)

    def release_late(self, chunk: ClaimedChunk) -> None:
        """Release a chunk whose lease our own clock ended. The fence refuses it if another worker has the chunk by now.

        Otherwise the next worker would take this one for dead, and blame the task that ran when the ledger failed.
        """
        self._release_within_lease(chunk.received, self._release_until, chunk)

    def withdraw_claim(self, received: ReceivedChunk) -> None:
        """Release a claim to which the ledger gave no answer: it may have been made all the same."""
        self._release_within_lease(received, self._withdraw_until, received)

    def publish_again(self, received: ReceivedChunk, results: tuple[Result, ...]) -> None:
        """Publish the results of a chunk that another worker completed: it may have died before it published them."""
        self._publish.put(Publication(received, results))

    def nudge(self) -> None:
        """Check again whether batches should go."""
        self._complete.nudge()
        self._publish.nudge()
        self._delete.nudge()

    async def run(self) -> None:
        """Run the stages until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for stage in (self._complete, self._publish, self._delete, self._release):
                nursery.start_soon(stage.run)

    async def wait_empty(self) -> None:
        """Wait until every stage is empty."""
        for stage in (self._complete, self._release, self._publish, self._delete):
            await stage.wait_empty()

    def _release_within_lease(
        self, received: ReceivedChunk, call: Callable[[C, float], Awaitable[None]], subject: C
    ) -> None:
        """Start a release; after a lease, nobody needs it any more."""
        assert self._nursery is not None
        until = self._services.clock.monotonic() + self._services.terms.lease / 1000
        self._nursery.start_soon(self._services.failures.guard, received, "release", call, subject, until)

    # A stage need not wait for more once the stages before it have nothing to do: completions wait for the slots,
    # publications also for completions, deletions also for publications.
    def _no_task_ready(self) -> bool:
        return self.draining or not self._services.ready_queue.busy

    def _no_completion(self) -> bool:
        return self._no_task_ready() and not len(self._complete)

    def _no_publication(self) -> bool:
        return self._no_completion() and not len(self._publish)

    def _close(self, chunk: ClaimedChunk, batcher: Batcher[ClaimedChunk], store_seconds: float = float("inf")) -> None:
        if sum(len(result.output) + len(result.error) for result in chunk.results.values()) < _SMALL_CHARACTERS:
            chunk.begin_closing()
            batcher.put(chunk)
        else:
            chunk.begin_storing()
            assert self._nursery is not None
            self._nursery.start_soon(
                self._services.failures.guard,
                chunk.received,
                "store outputs",
                self._store,
                chunk,
                batcher,
                store_seconds,
            )

    async def _store(self, chunk: ClaimedChunk, batcher: Batcher[ClaimedChunk], seconds: float) -> None:
        with trio.move_on_after(seconds):
            if chunk.storing is not None:
                # Otherwise what a heartbeat is storing would be stored, and paid for, twice.
                await chunk.storing.wait()
            await self._services.outputs.fit(chunk.results, chunk.claim.token, lambda: chunk.stage is Stage.STORING)
        if chunk.stage is Stage.STORING:
            chunk.begin_closing()
            batcher.put(chunk)

    async def _flush_complete(self, chunks: list[ClaimedChunk]) -> None:
        by_key = {one.key: one for one in self._still_claimed(chunks)}

        def on_verdict(verdict: Recorded | Lost) -> None:
            if isinstance(verdict, Recorded):
                received = by_key[verdict.key].received
                self._publish.put(Publication(received, verdict.record.progress.results))
            else:
                self._services.lost_claims.add(verdict.key, "complete")
                self._services.inflight.forget(verdict.key)

        machines: list[StateMachine[Recorded | Lost]] = [
            Completing(one.claim, one.progress, self._services.terms) for one in by_key.values()
        ]
        await self._services.driver.run(
            machines,
            on_verdict,
            on_failure=lambda key, error: self._services.failures.fail(by_key[key].received, "complete", error),
        )

    def _still_claimed(self, chunks: list[ClaimedChunk]) -> list[ClaimedChunk]:
        """Return the chunks that are here: one whose flush raised an unexpected error comes a second time, alone."""
        return [one for one in chunks if self._services.inflight.claimed.get(one.key) is one]

    async def _flush_publish(self, publications: list[Publication]) -> None:
        by_run: dict[str, list[Result]] = {}
        for publication in publications:
            by_run.setdefault(publication.received.key.run, []).extend(publication.results)
        reports = [report for run, results in by_run.items() for report in _reports(run, results)]
        await self._services.queue_client.publish(reports)
        for publication in publications:
            for delivery in publication.received.deliveries.values():
                self._delete.put(delivery)
            self._services.inflight.forget(publication.received.key)

    async def _flush_delete(self, deliveries: list[Delivery]) -> None:
        await self._services.queue_client.delete(deliveries)

    async def _flush_release(self, chunks: list[ClaimedChunk]) -> None:
        chunks = self._still_claimed(chunks)
        left = await self._clear_leases(chunks)
        chunks = [one for one in chunks if one.key not in left]
        # Before the messages are given back: our own poll may receive one again before that call has returned. It must
        # then count as a new chunk, and not as a copy of one that is about to be forgotten.
        for chunk in chunks:
            self._services.inflight.forget(chunk.key)
        await self._give_back(chunks)

    async def _release_until(self, chunk: ClaimedChunk, until: float) -> None:
        if left := await self._clear_leases([chunk], until):
            self._log_given_up(left)
        else:
            await self._give_back([chunk])

    async def _withdraw_until(self, received: ReceivedChunk, until: float) -> None:
        machine = Withdrawing(received.key, received.token, self._services.terms)
        left = await self._services.driver.run([machine], self._on_released, until)
        self._services.inflight.forget(received.key)
        if left:
            self._log_given_up(left)
        else:
            await self._services.queue_client.give_back(list(received.deliveries.values()))

    def _on_released(self, verdict: Released) -> None:
        self._services.log.info("released", chunk=str(verdict.key))

    def _log_given_up(self, keys: list[ChunkKey]) -> None:
        """Log releases that got no answer: the chunks wait for the end of our lease."""
        for key in keys:
            self._services.log.warning("release-given-up", chunk=str(key), error="the ledger did not answer")

    async def _give_back(self, chunks: list[ClaimedChunk]) -> None:
        # Only after the lease was cleared: a message that comes back before would be held for the rest of the lease.
        deliveries = [one for chunk in chunks for one in chunk.received.deliveries.values()]
        await self._services.queue_client.give_back(deliveries)

    async def _clear_leases(self, chunks: list[ClaimedChunk], until: float = float("inf")) -> list[ChunkKey]:
        """Clear leases in the ledger; return the keys for which it did not answer in time, or that were given up."""
        by_key = {one.key: one for one in chunks}
        failed: list[ChunkKey] = []

        def on_failure(key: ChunkKey, error: Exception) -> None:
            failed.append(key)
            self._services.failures.fail(by_key[key].received, "release", error)

        machines: list[StateMachine[Released]] = [
            Releasing(one.claim, one.checkpoint, self._services.terms) for one in chunks
        ]
        return await self._services.driver.run(machines, self._on_released, until, on_failure) + failed


def _reports(run: str, results: Sequence[Result]) -> Iterator[str]:
    """Yield reports with as many results as fit a message: JSON can make six bytes of one."""
    for some in batched(results, MOST_RESULTS):
        report = encode_report(run, some)
        if len(some) == 1 or len(report.encode()) <= _REPORT_BYTES:
            yield report
        else:
            half = len(some) // 2
            yield from _reports(run, some[:half])
            yield from _reports(run, some[half:])
