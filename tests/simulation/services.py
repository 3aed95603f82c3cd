"""Services that behave as badly as AWS may, and have a witness of every effect."""

from collections.abc import Sequence
from dataclasses import replace

from cloudkon.memory import MemoryLedger, MemoryQueue
from cloudkon.memory.queue import _Message
from cloudkon.model import ChunkKey, ChunkRecord, Delivery, Outgoing
from cloudkon.ports import QueueOutcome, Write, WriteOutcome
from tests.simulation.invariants import Witness
from tests.simulation.schedule_params import Storm
from tests.simulation.worker_lifecycle import LIFE


class UnrulyQueue(MemoryQueue):
    """The pool's queue: gives messages in any order, again while they are in flight, and lets stale handles work."""

    def __init__(self, storm: Storm, witness: Witness) -> None:
        super().__init__()
        self._storm = storm
        self._witness = witness

    def _deliver(self, visibility: float) -> Delivery:
        rng = self._storm.rng
        if self._storm.raging and len(self._visible) > 1:
            self._visible.move_to_end(rng.choice(list(self._visible)), last=False)
        delivery = super()._deliver(visibility)
        message = self._messages[delivery.message_id]
        if self._storm.chance(self._storm.unruly):
            if rng.random() < 0.3:
                self._show(message)
            else:
                self._hide(message, rng.random() * visibility)
        return delivery

    def _owned(self, delivery: Delivery) -> _Message | None:
        # "If you use an old receipt handle, the request succeeds, but the message might not be deleted": or it might
        # be (SQS API reference, DeleteMessage).
        if self._storm.chance(self._storm.unruly / 2):
            return self._messages.get(delivery.message_id)
        return super()._owned(delivery)

    def _delete(self, delivery: Delivery) -> QueueOutcome:
        message = self._messages.get(delivery.message_id)
        outcome = super()._delete(delivery)
        if outcome is QueueOutcome.DONE:
            assert message
            self._witness.deleted(message.content.body)
        elif self._storm.chance(self._storm.unruly):
            return self._storm.rng.choice([QueueOutcome.DONE, QueueOutcome.FAILED])
        return outcome


class WitnessedQueue(MemoryQueue):
    """The result queue."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        outcomes = await super().send(messages)
        for message in messages:
            self._witness.published(message.body)
        return outcomes


class WitnessedLedger(MemoryLedger):
    """The ledger; a worker of the older version can't read what one of the newer wrote."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness
        self._versions: dict[ChunkKey, int] = {}

    def _write(self, write: Write) -> WriteOutcome:
        found = self._find(write.key)
        outcome = super()._write(write)
        if outcome is WriteOutcome.WRITTEN:
            life = LIFE.get()
            assert life
            if self._versions.get(write.key, 1) > life.version:
                self._witness.say("6", f"{life.name} wrote over {write.key}, which it can't read")
            self._versions[write.key] = life.version
            self._witness.wrote(found, write, life)
        return outcome

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        records = await super().read(keys)
        life = LIFE.get()
        return [
            replace(record, readable=False)
            if record and life and self._versions.get(record.key, 1) > life.version
            else record
            for record in records
        ]

    def peek(self, key: ChunkKey) -> ChunkRecord | None:
        """What it holds now."""
        return self._find(key)
