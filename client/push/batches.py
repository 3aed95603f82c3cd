"""Batches: a run's messages as its queues take them, read from the spool as they are needed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from cloudkon.model import Chunk, Outgoing, Run
from cloudkon.ports import BATCH
from cloudkon.wire.message import MESSAGE_LIMIT, encode_message
from cloudkon.wire.payload import encode_parcel, pack

from .staged_workload import StagedWorkload

PAYLOADS = 4_194_304
"""Bytes of payloads in a batch, unless one has more by itself: as many batches as there are senders are in memory."""


@dataclass(slots=True)
class Batch:
    """Messages of consecutive chunks from number ``first`` on, for one pool; ``size`` is theirs in bytes."""

    pool: str
    first: int
    messages: list[Outgoing] = field(default_factory=list)
    size: int = 0
    payloads: dict[str, bytes] = field(default_factory=dict)
    """What its messages don't carry, by the key in the store; it is to be there before they are sent."""

    @property
    def end(self) -> int:
        """The number after its last chunk's."""
        return self.first + len(self.messages)

    def takes(self, size: int, payload: int) -> bool:
        """Whether a message of that size may still come in, with a payload of so many bytes."""
        held = sum(map(len, self.payloads.values()))
        return len(self.messages) < BATCH and self.size + size <= MESSAGE_LIMIT and held + payload <= PAYLOADS


def batches(run: Run, staged: StagedWorkload, sent: int = 0) -> Iterator[Batch]:
    """The messages of a run's chunks from number ``sent`` on, in order."""
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
                parcel = pack(part.pool, chunk, payload)
                body = encode_parcel(parcel)
                size = len(body)
            if batch is None or not batch.takes(size, len(payload)):
                if batch is not None:
                    yield batch
                batch = Batch(part.pool, key.number)
            batch.messages.append(Outgoing(body))
            if payload:
                batch.payloads[parcel.object_key] = payload
            batch.size += size
        if batch is not None:
            yield batch
