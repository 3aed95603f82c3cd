"""Simulates services that misbehave as AWS may, and report every effect to the invariant checker."""

from collections.abc import Sequence
from dataclasses import replace

from cloudkon.memory import MemoryLedger, MemoryQueue
from cloudkon.memory.queue import _Message
from cloudkon.model import ChunkKey, ChunkRecord, Delivery, Outgoing
from cloudkon.ports import QueueOutcome, Write, WriteOutcome
from tests.simulation.invariants import InvariantChecker
from tests.simulation.schedule_params import ScheduleParams
from tests.simulation.worker_lifecycle import CURRENT_WORKER


class FaultyQueue(MemoryQueue):
    """The pool's queue: delivers messages in any order and again while in flight, and accepts stale handles."""

    def __init__(self, params: ScheduleParams, checker: InvariantChecker) -> None:
        super().__init__()
        self._params = params
        self._checker = checker

    def _deliver(self, visibility: float) -> Delivery:
        rng = self._params.rng
        if self._params.faults_active and len(self._visible) > 1:
            self._visible.move_to_end(rng.choice(list(self._visible)), last=False)
        delivery = super()._deliver(visibility)
        message = self._messages[delivery.message_id]
        if self._params.chance(self._params.queue_anomalies):
            if rng.random() < 0.3:
                self._show(message)
            else:
                self._hide(message, rng.random() * visibility)
        return delivery

    def _owned(self, delivery: Delivery) -> _Message | None:
        # "If you use an old receipt handle, the request succeeds, but the message might not be deleted": or it might
        # be (SQS API reference, DeleteMessage).
        if self._params.chance(self._params.queue_anomalies / 2):
            return self._messages.get(delivery.message_id)
        return super()._owned(delivery)

    def _delete(self, delivery: Delivery) -> QueueOutcome:
        message = self._messages.get(delivery.message_id)
        outcome = super()._delete(delivery)
        if outcome is QueueOutcome.DONE:
            assert message
            self._checker.on_delete(message.content.body)
        elif self._params.chance(self._params.queue_anomalies):
            return self._params.rng.choice([QueueOutcome.DONE, QueueOutcome.FAILED])
        return outcome


class CheckedQueue(MemoryQueue):
    """The result queue, whose messages the checker sees."""

    def __init__(self, checker: InvariantChecker) -> None:
        super().__init__()
        self._checker = checker

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        outcomes = await super().send(messages)
        for message in messages:
            self._checker.on_publish(message.body)
        return outcomes


class CheckedLedger(MemoryLedger):
    """The ledger. A worker of the older version can't read the records that a newer one wrote."""

    def __init__(self, checker: InvariantChecker) -> None:
        super().__init__()
        self._checker = checker
        self._versions: dict[ChunkKey, int] = {}

    def _write(self, write: Write) -> WriteOutcome:
        found = self._find(write.key)
        outcome = super()._write(write)
        if outcome is WriteOutcome.WRITTEN:
            worker = CURRENT_WORKER.get()
            assert worker
            if self._versions.get(write.key, 1) > worker.version:
                self._checker.violation("6", f"{worker.name} overwrote {write.key}, which it can't read")
            self._versions[write.key] = worker.version
            self._checker.on_write(found, write, worker)
        return outcome

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        records = await super().read(keys)
        worker = CURRENT_WORKER.get()
        return [
            replace(record, readable=False)
            if record and worker and self._versions.get(record.key, 1) > worker.version
            else record
            for record in records
        ]

    def read_record(self, key: ChunkKey) -> ChunkRecord | None:
        """Return the current record without an await."""
        return self._find(key)
