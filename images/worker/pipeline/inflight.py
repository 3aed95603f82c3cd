"""Keeps the chunks that this worker has received or claimed and not yet finished."""

from collections.abc import Callable, Iterator

import trio

from cloudkon.model import ChunkKey

from .claimed_chunk import ClaimedChunk
from .received_chunk import ReceivedChunk


class InFlight:
    """Chunks from their receipt until their messages are deleted or given back."""

    def __init__(self, on_chunk_gone: Callable[[], None]) -> None:
        """Start empty; ``on_chunk_gone`` is called whenever a chunk was forgotten."""
        self._on_chunk_gone = on_chunk_gone
        self.received: dict[ChunkKey, ReceivedChunk] = {}
        """Received, and not claimed yet."""
        self.claimed: dict[ChunkKey, ClaimedChunk] = {}
        """Claimed, and not yet published and deleted."""
        self.forgotten = 0
        """Chunks forgotten since the start."""
        self._lot = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self.received) + len(self.claimed)

    @property
    def queued(self) -> int:
        """Number of tasks that wait for a slot, claimed or not."""
        return sum(len(received.chunk) for received in self.received.values()) + sum(
            len(chunk.pending) for chunk in self.claimed.values()
        )

    def find(self, key: ChunkKey) -> ReceivedChunk | None:
        """Return the received chunk, in whatever stage it is; ``None`` if it is not here."""
        if key in self.claimed:
            return self.claimed[key].received
        return self.received.get(key)

    def all_received(self) -> Iterator[ReceivedChunk]:
        """Yield every chunk's messages, which must stay hidden, whether the chunk is claimed or not."""
        yield from self.received.values()
        for chunk in self.claimed.values():
            yield chunk.received

    def add_received(self, received: ReceivedChunk) -> None:
        """Add a chunk that was received."""
        self.received[received.key] = received

    def add_claimed(self, chunk: ClaimedChunk) -> None:
        """Add a chunk that was claimed, in place of the received one."""
        self.received.pop(chunk.key, None)
        self.claimed[chunk.key] = chunk
        chunk.start_waiting(trio.current_time())

    def forget(self, key: ChunkKey) -> None:
        """Remove a chunk that is done, given back or lost."""
        self.received.pop(key, None)
        self.claimed.pop(key, None)
        self.forgotten += 1
        self._on_chunk_gone()
        if not len(self):
            self._lot.unpark_all()

    async def wait_empty(self) -> None:
        """Wait until no chunk is left."""
        while len(self):
            await self._lot.park()
