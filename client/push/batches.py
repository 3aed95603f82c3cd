"""Groups a run's messages into batches for its queues, reading the staged workload as batches are needed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from cloudkon.model import Chunk, Outgoing, Run
from cloudkon.ports import BATCH
from cloudkon.wire.message import MESSAGE_LIMIT, encode_message
from cloudkon.wire.payload import encode_payload_ref, make_payload_ref

from .staged_workload import StagedWorkload

MOST_PAYLOAD_BYTES = 4_194_304
"""Payload bytes of a batch, unless a single payload is larger. Each sender holds one batch in memory."""


@dataclass(slots=True)
class Batch:
    """Messages of consecutive chunks of one pool; ``first`` is the first chunk's number, ``size`` is in bytes."""

    pool: str
    first: int
    messages: list[Outgoing] = field(default_factory=list)
    size: int = 0
    payloads: dict[str, bytes] = field(default_factory=dict)
    """Payloads that are too large for their messages, by key; to be stored before the messages are sent."""

    @property
    def end(self) -> int:
        """One more than the last chunk's number."""
        return self.first + len(self.messages)

    def has_room(self, size: int, payload_size: int) -> bool:
        """Whether a message of ``size`` bytes with a payload of ``payload_size`` bytes fits."""
        stored = sum(map(len, self.payloads.values()))
        return (
            len(self.messages) < BATCH
            and self.size + size <= MESSAGE_LIMIT
            and stored + payload_size <= MOST_PAYLOAD_BYTES
        )


def batches(run: Run, staged: StagedWorkload, sent: int = 0) -> Iterator[Batch]:
    """Yield the messages of a run's chunks in order, without the first ``sent`` chunks."""
    for part in run.ranges:
        instructions = staged.instructions(part.pool)
        batch: Batch | None = None
        for key, first, count in run.chunks(part.pool):
            chunk = Chunk(key, first, tuple(islice(instructions, count)))
            if key.number < sent:
                continue
            body = encode_message(chunk)
            size = len(body.encode())
            payload = b""
            if size > MESSAGE_LIMIT:
                payload = body.encode()
                parcel = make_payload_ref(part.pool, chunk, payload)
                body = encode_payload_ref(parcel)
                size = len(body)
            if batch is None or not batch.has_room(size, len(payload)):
                if batch is not None:
                    yield batch
                batch = Batch(part.pool, key.number)
            batch.messages.append(Outgoing(body))
            if payload:
                batch.payloads[parcel.object_key] = payload
            batch.size += size
        if batch is not None:
            yield batch
