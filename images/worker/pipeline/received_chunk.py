"""Keeps a received chunk together with the newest handle of each of its messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloudkon.model import Chunk, ChunkKey, Delivery
from cloudkon.wire.message import chunk_digest


@dataclass(slots=True)
class ReceivedChunk:
    """A chunk and its deliveries, by message id. Only its own methods change it."""

    chunk: Chunk
    deliveries: dict[str, Delivery]
    hidden_until: float
    """When the queue shows the messages to other workers again, in monotonic seconds."""
    digest: str = ""
    """Tells the chunk from others that have its key; see ``chunk_digest``."""
    sent: float = 0.0
    """When the message was sent, in epoch seconds; 0 where the queue doesn't report it."""
    token: str = ""
    """The owner token of the claim that was requested, perhaps without an answer; empty before."""

    @classmethod
    def of(cls, chunk: Chunk, delivery: Delivery, hidden_until: float) -> "ReceivedChunk":
        """Return a chunk that was received for the first time."""
        return cls(chunk, {delivery.message_id: delivery}, hidden_until, chunk_digest(chunk), delivery.sent)

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.chunk.key

    def add(self, delivery: Delivery) -> None:
        """Add another delivery: a copy, or the same message again, which makes its older handle stale."""
        self.deliveries[delivery.message_id] = delivery

    def claim_token(self, make_token: Callable[[], str]) -> str:
        """Return the token for claiming it; the same when the claim is requested again."""
        self.token = self.token or make_token()
        return self.token

    def take_new(self, seen: set[str]) -> list[Delivery]:
        """Return the deliveries whose handles are not in ``seen``, and add these to it.

        Copies come in while others are put back, so a caller asks until there are none.
        """
        new = [one for one in self.deliveries.values() if one.handle not in seen]
        seen.update(one.handle for one in new)
        return new

    def drop_stale(self, delivery: Delivery) -> None:
        """Remove a delivery whose handle is stale, unless a newer one has replaced it."""
        if self.deliveries.get(delivery.message_id) is delivery:
            del self.deliveries[delivery.message_id]

    def hide_until(self, time: float) -> None:
        """Note that the messages stay hidden until ``time``, in monotonic seconds."""
        self.hidden_until = time


class OnReceived(Protocol):
    """Called for each chunk that this worker receives for the first time."""

    def __call__(self, received: ReceivedChunk, *, more: bool) -> None:
        """``more`` is true if the receive returned as many messages as it asked for, so that more may follow."""
