"""Mutates the worker and its protocol: each fault breaks one rule, and the simulation must detect every one.

Two rules are backed by a second one, so their faults show only where the second rule is removed too, as in the
exhaustive model (``tests/unit/protocol/test_model.py``): a release meets its own claim's DONE only in a worker that
releases a chunk while it completes it; and in a steal's condition the state protects as the lease end does, so the
fault removes both.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import trio

from cloudkon.errors import CloudKonError
from cloudkon.model import ChunkRecord
from cloudkon.ports import BATCH, Request, Update
from cloudkon.ports.batch import batched
from cloudkon.protocol import Claiming, Completing, Held, Instant, Releasing, Renewing
from cloudkon.protocol.claiming import _Phase
from cloudkon.wire.report import encode_report
from images.worker.pipeline.claimed_chunk import ClaimedChunk, Stage
from images.worker.pipeline.claimer import Claimer
from images.worker.pipeline.executor import Executor
from images.worker.pipeline.finisher import Finisher
from images.worker.pipeline.heartbeat import Heartbeat
from images.worker.pipeline.received_chunk import ReceivedChunk
from images.worker.queues.outputs import Outputs
from images.worker.queues.queue_client import QueueClient
from tests.simulation.schedule_params import MIXED, ScheduleParams

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """A mutation, and the kind of schedule in which it shows."""

    plant: Callable[[Patch], None]
    kind: str = MIXED

    def shows_in(self, seed: int) -> bool:
        """Whether the seed's schedule is of that kind."""
        return ScheduleParams.draw(seed).kind == self.kind


def delete_before_complete(patch: Patch) -> None:
    complete = Finisher.complete

    def hasty(self: Finisher, chunk: ClaimedChunk) -> None:
        for delivery in chunk.received.deliveries.values():
            self._delete.put(delivery)
        complete(self, chunk)

    patch.setattr(Finisher, "complete", hasty)


def publish_before_complete(patch: Patch) -> None:
    complete = Finisher.complete

    def hasty(self: Finisher, chunk: ClaimedChunk) -> None:
        assert self._nursery
        report = encode_report(chunk.key.run, chunk.progress.results)
        self._nursery.start_soon(self._services.queue_client.publish, [report])
        complete(self, chunk)

    patch.setattr(Finisher, "complete", hasty)


def failed_sends_ignored(patch: Patch) -> None:
    async def careless(
        self: QueueClient,
        action: str,
        call: Callable[..., Awaitable[object]],
        entries: Sequence[object],
        tries: float = 1,
    ) -> None:
        for some in batched(entries, BATCH):
            while True:
                try:
                    await call(some)
                except CloudKonError:
                    await trio.sleep(0.2)
                else:
                    break

    patch.setattr(QueueClient, "_insist", careless)


def claim_without_lease(patch: Patch) -> None:
    on_response = Claiming.on_response

    def greedy(self: Claiming, ask: Request, asked: Instant, answer: Any) -> object:  # noqa: ANN401  (any answer)
        verdict = on_response(self, ask, asked, answer)
        if isinstance(verdict, Held) and isinstance(answer, ChunkRecord) and answer.readable:
            return replace(self, phase=_Phase.STEAL, seen=answer)
        return verdict

    patch.setattr(Claiming, "on_response", greedy)


def heartbeat_off(patch: Patch) -> None:
    patch.setattr(Heartbeat, "_take_due", lambda _: [])


def heartbeat_without_checkpoint(patch: Patch) -> None:
    ask = Renewing.ask

    def forgetful(self: Renewing, now: Instant) -> Request:
        return ask(replace(self, progress=self.claim.record.progress), now)

    patch.setattr(Renewing, "ask", forgetful)


def own_clock_ignored(patch: Patch) -> None:
    patch.setattr(Heartbeat, "_lose_overdue", lambda _: None)


def late_claim_started(patch: Patch) -> None:
    patch.setattr(Claimer, "_begin", Claimer._start)


def unfenced_completion(patch: Patch) -> None:
    ask = Completing.ask

    def loose(self: Completing, now: Instant) -> Request:
        asked = ask(self, now)
        return _Unfenced(asked.record, asked.owner, asked.attempt) if isinstance(asked, Update) else asked

    patch.setattr(Completing, "ask", loose)


class _Unfenced(Update):
    """An update whose only condition is that the item exists."""

    __slots__ = ()

    def admits(self, found: ChunkRecord) -> bool:  # noqa: ARG002  (its signature)
        return True


def steal_without_state_and_lease_end(patch: Patch) -> None:
    ask = Claiming.ask

    def loose(self: Claiming, now: Instant) -> Request:
        asked = ask(self, now)
        return replace(asked, state=None, lease_end=None) if isinstance(asked, Update) else asked

    patch.setattr(Claiming, "ask", loose)


def release_without_state(patch: Patch) -> None:
    ask = Releasing.ask

    def loose(self: Releasing, now: Instant) -> Request:
        asked = ask(self, now)
        assert isinstance(asked, Update)
        return replace(asked, state=None)

    patch.setattr(Releasing, "ask", loose)
    release_of_completing_chunks(patch)


def release_of_completing_chunks(patch: Patch) -> None:
    kill = Executor.kill

    def hasty(self: Executor) -> None:
        kill(self)
        for chunk in list(self._services.inflight.claimed.values()):
            if chunk.stage is Stage.CLOSING:
                self._finisher.release(chunk)

    patch.setattr(Executor, "kill", hasty)


def stop_on_stale_handle(patch: Patch) -> None:
    hide = Heartbeat._hide

    async def stopping(self: Heartbeat, arrivals: list[ReceivedChunk]) -> None:
        before = {received.key: len(received.deliveries) for received in arrivals}
        await hide(self, arrivals)
        for received in arrivals:
            chunk = self._services.inflight.claimed.get(received.key)
            if len(received.deliveries) < before[received.key] and chunk and chunk.is_renewable:
                self._lose(chunk, overdue=False)

    patch.setattr(Heartbeat, "_hide", stopping)


def object_keys_without_token(patch: Patch) -> None:
    fit = Outputs.fit

    async def shared(self: Outputs, results: Any, token: str, wanted: Any) -> None:  # noqa: ANN401  (as ``fit``)
        await fit(self, results, "", wanted)

    patch.setattr(Outputs, "fit", shared)


FAULTS = [
    Fault(delete_before_complete),
    Fault(publish_before_complete),
    Fault(failed_sends_ignored),
    Fault(claim_without_lease),
    Fault(heartbeat_off),
    Fault(heartbeat_without_checkpoint),
    Fault(own_clock_ignored, "disconnects"),
    Fault(late_claim_started, "slow writes"),
    Fault(unfenced_completion, "slow writes"),
    Fault(steal_without_state_and_lease_end, "slow writes"),
    Fault(release_without_state, "stops during slow writes"),
    Fault(stop_on_stale_handle, "queue anomalies"),
    Fault(object_keys_without_token, "deaths during uploads"),
]
