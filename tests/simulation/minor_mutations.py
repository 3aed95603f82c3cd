"""Mutates the worker in smaller ways, which charge an attempt, hide a message or leave a worker stuck."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import trio

from cloudkon.model import ChunkRecord, Progress, TaskState
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol import (
    Claiming,
    Completing,
    Held,
    Instant,
    Lost,
    Recorded,
    Releasing,
    Renewing,
    Terms,
)
from cloudkon.protocol.claim import new_token
from images.worker.execution.attempt import AttemptResult
from images.worker.pipeline.claimed_chunk import ClaimedChunk, Stage
from images.worker.pipeline.claimer import Claimer
from images.worker.pipeline.executor import Executor
from images.worker.pipeline.finisher import Finisher, Publication
from images.worker.pipeline.inflight import InFlight
from images.worker.pipeline.poller import Poller
from images.worker.pipeline.rebalancer import Rebalancer
from images.worker.pipeline.received_chunk import ReceivedChunk
from images.worker.pipeline.receiver import Receiver
from tests.simulation.planted_faults import Fault, Patch


def failed_writes_ignored(patch: Patch) -> None:
    for machine in (Claiming, Completing, Renewing, Releasing):
        _change_answers(
            patch, machine, lambda answer: WriteOutcome.WRITTEN if answer is WriteOutcome.FAILED else answer
        )


def _change_answers(patch: Patch, machine: Any, change: Callable[[Any], Any]) -> None:  # noqa: ANN401  (any machine's)
    on_response = machine.on_response

    def changed(self: Any, ask: Any, asked: Any, answer: Any) -> Any:  # noqa: ANN401  (any machine's)
        return on_response(self, ask, asked, change(answer))

    patch.setattr(machine, "on_response", changed)


def no_lease_written(patch: Patch) -> None:
    _change_claims(patch, lambda _, record: replace(record, lease_end=0))


def results_lost_in_a_steal(patch: Patch) -> None:
    _change_claims(patch, lambda _, record: replace(record, progress=Progress(losses=record.progress.losses)))


def release_counted_as_death(patch: Patch) -> None:
    def charge(claiming: Claiming, record: ChunkRecord) -> ChunkRecord:
        released = claiming.seen is not None and claiming.seen.released
        return replace(record, progress=record.progress.after_loss()) if released else record

    _change_claims(patch, charge)


def _change_claims(patch: Patch, change: Callable[[Claiming, ChunkRecord], ChunkRecord]) -> None:
    ask = Claiming.ask

    def changed(self: Claiming, now: Instant) -> Request:
        asked = ask(self, now)
        return asked if isinstance(asked, Read) else replace(asked, record=change(self, asked.record))

    patch.setattr(Claiming, "ask", changed)


def new_token_for_each_try(patch: Patch) -> None:
    on_response = Claiming.on_response

    def forgetful(self: Claiming, ask: Request, asked: Instant, answer: Any) -> object:  # noqa: ANN401  (any answer)
        outcome = on_response(self, ask, asked, answer)
        if answer is WriteOutcome.FAILED and isinstance(outcome, Claiming):
            return replace(outcome, token=new_token())
        return outcome

    patch.setattr(Claiming, "on_response", forgetful)


def lease_counted_from_the_response(patch: Patch) -> None:
    patch.setattr(Terms, "trusted_until", lambda self, _: trio.current_time() + self.trusted_seconds)


def hold_counted_from_the_response(patch: Patch) -> None:
    judge = Claiming._judge

    def late(self: Claiming, found: ChunkRecord | None, asked: Instant) -> object:
        verdict = judge(self, found, asked)
        if isinstance(verdict, Held):
            return Held(verdict.key, verdict.until + trio.current_time() - asked.monotonic)
        return verdict

    patch.setattr(Claiming, "_judge", late)


def margin_ignored(patch: Patch) -> None:
    judge = Claiming._judge
    patch.setattr(
        Claiming,
        "_judge",
        lambda self, found, asked: judge(replace(self, terms=replace(self.terms, margin=0)), found, asked),
    )


def unreadable_record_claimed(patch: Patch) -> None:
    judge = Claiming._judge
    patch.setattr(
        Claiming, "_judge", lambda self, found, asked: judge(self, found and replace(found, readable=True), asked)
    )


def renewal_that_may_shorten(patch: Patch) -> None:
    ask = Renewing.ask

    def loose(self: Renewing, now: Instant) -> Request:
        asked = ask(self, now)
        return replace(asked, lease_not_after=None) if isinstance(asked, Update) else asked

    patch.setattr(Renewing, "ask", loose)


def results_published_after_a_lost_claim(patch: Patch) -> None:
    on_response = Completing.on_response

    def blind(self: Completing, ask: Request, asked: Instant, answer: Any) -> object:  # noqa: ANN401  (any answer)
        outcome = on_response(self, ask, asked, answer)
        return Recorded(replace(self.claim.record, progress=self.progress)) if isinstance(outcome, Lost) else outcome

    patch.setattr(Completing, "on_response", blind)


def cancellation_published_without_the_fence(patch: Patch) -> None:
    complete = Finisher.complete

    def hasty(self: Finisher, chunk: ClaimedChunk) -> None:
        results = chunk.progress.results
        if any(result.state is TaskState.CANCELLED for result in results):
            self.publish_again(chunk.received, results)
        else:
            complete(self, chunk)

    patch.setattr(Finisher, "complete", hasty)


def done_not_published_again(patch: Patch) -> None:
    def silent(self: Finisher, received: ReceivedChunk, results: object) -> None:
        self._publish.put(Publication(received, ()))

    patch.setattr(Finisher, "publish_again", silent)


def attempt_charged_for_a_stop(patch: Patch) -> None:
    def charged(*_: object) -> AttemptResult:
        return AttemptResult("", "stopped", permanent=False, started=0.0, seconds=0.0)

    patch.setattr(Executor, "_cancelled_outcome", charged)


def failures_not_kept(patch: Patch) -> None:
    progress = ClaimedChunk.progress.fget  # type: ignore[attr-defined]  # it is a property
    patch.setattr(ClaimedChunk, "progress", property(lambda self: replace(progress(self), failures={})))


def surplus_given_back_while_it_runs(patch: Patch) -> None:
    patch.setattr(Rebalancer, "_has_waited", lambda _, chunk: chunk.stage is Stage.ACTIVE and not chunk.careful)


def given_up_claim_kept(patch: Patch) -> None:
    forget = InFlight.forget

    def keeping(self: InFlight, key: Any) -> None:  # noqa: ANN401  (a chunk's)
        if key in self.claimed:
            forget(self, key)

    async def leave(self: Claimer, received: ReceivedChunk, until: float) -> None:
        await leave_one(self, received, until)
        forget(self._services.inflight, received.key)

    def publish(self: Finisher, received: ReceivedChunk, results: Any) -> None:  # noqa: ANN401  (as there)
        forget(self._services.inflight, received.key)
        publish_again(self, received, results)

    leave_one, publish_again = Claimer._give_back_one, Finisher.publish_again
    patch.setattr(InFlight, "forget", keeping)
    patch.setattr(Claimer, "_give_back_one", leave)
    patch.setattr(Finisher, "publish_again", publish)


def queue_never_polled_again_after_a_failure(patch: Patch) -> None:
    async def offended(self: Receiver, poller: Poller, backoff: object = None) -> None:
        poller.pausing += 1

    patch.setattr(Receiver, "_back_off", offended)


MINOR_MUTATIONS = [
    Fault(failed_writes_ignored),
    Fault(no_lease_written),
    Fault(results_lost_in_a_steal),
    Fault(release_counted_as_death),
    Fault(new_token_for_each_try, "lost responses"),
    Fault(lease_counted_from_the_response, "slow writes"),
    Fault(hold_counted_from_the_response),
    Fault(margin_ignored),
    Fault(unreadable_record_claimed, "rolling deploy"),
    Fault(renewal_that_may_shorten, "disconnects"),
    Fault(results_published_after_a_lost_claim, "slow writes"),
    Fault(cancellation_published_without_the_fence),
    Fault(done_not_published_again, "stops during slow writes"),
    Fault(attempt_charged_for_a_stop),
    Fault(failures_not_kept),
    Fault(surplus_given_back_while_it_runs),
    Fault(given_up_claim_kept, "slow writes"),
    Fault(queue_never_polled_again_after_a_failure),
]
