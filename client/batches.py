"""Batches: a run's messages as its queues take them, read from the spool as they are needed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from client.spool import Spool
from cloudkon.ports import BATCH
from cloudkon.wire.message import MESSAGE_LIMIT, encode_message
from cloudkon.words import Chunk, Outgoing, Run


@dataclass(slots=True)
class Batch:
    """Messages of consecutive chunks from number ``first`` on, for one pool; ``size`` is theirs in bytes."""

    pool: str
    first: int
    messages: list[Outgoing] = field(default_factory=list)
    size: int = 0

    @property
    def end(self) -> int:
        """The number after its last chunk's."""
        return self.first + len(self.messages)

    def takes(self, size: int) -> bool:
        """Whether a message of that size may still come in."""
        return len(self.messages) < BATCH and self.size + size <= MESSAGE_LIMIT


def batches(run: Run, spool: Spool, sent: int = 0) -> Iterator[Batch]:
    """The messages of a run's chunks from number ``sent`` on, in order."""
    for part in run.ranges:
        instructions = spool.instructions(part.pool)
        batch: Batch | None = None
        for key, first, count in run.chunks(part.pool):
            chunk = Chunk(key, first, tuple(islice(instructions, count)))
            if key.number < sent:
                continue
            body = encode_message(chunk)
            size = len(body.encode())
            if batch is None or not batch.takes(size):
                if batch is not None:
                    yield batch
                batch = Batch(part.pool, key.number)
            batch.messages.append(Outgoing(body))
            batch.size += size
        if batch is not None:
            yield batch
