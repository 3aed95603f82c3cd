"""Custody: everything that this worker has in its hands."""

from collections.abc import Callable, Iterator

import trio

from cloudkon.model import ChunkKey

from .claimed_chunk import ClaimedChunk, ReceivedChunk


class InFlight:
    """Chunks from their receipt until their messages are deleted or given back."""

    def __init__(self, on_less: Callable[[], None]) -> None:
        """Start with nothing; ``on_less`` is called whenever something left."""
        self._on_less = on_less
        self.arrivals: dict[ChunkKey, ReceivedChunk] = {}
        """Received and not claimed yet."""
        self.holdings: dict[ChunkKey, ClaimedChunk] = {}
        """Claimed, and not yet published and deleted."""
        self.left = 0
        """How many chunks have gone since the start."""
        self._lot = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        """How many chunks."""
        return len(self.arrivals) + len(self.holdings)

    @property
    def queued(self) -> int:
        """How many tasks wait for a slot, claimed or not."""
        return sum(len(arrival.chunk) for arrival in self.arrivals.values()) + sum(
            len(holding.pending) for holding in self.holdings.values()
        )

    def find(self, key: ChunkKey) -> ReceivedChunk | None:
        """The chunk's arrival, if it is here in whatever stage."""
        if key in self.holdings:
            return self.holdings[key].arrival
        return self.arrivals.get(key)

    def hidden(self) -> Iterator[ReceivedChunk]:
        """All arrivals whose messages must stay hidden."""
        yield from self.arrivals.values()
        for holding in self.holdings.values():
            yield holding.arrival

    def claimed(self, holding: ClaimedChunk) -> None:
        """An arrival became a holding."""
        self.arrivals.pop(holding.key, None)
        self.holdings[holding.key] = holding
        holding.since = trio.current_time()

    def forget(self, key: ChunkKey) -> None:
        """It is done, given back, or somebody else's."""
        self.arrivals.pop(key, None)
        self.holdings.pop(key, None)
        self.left += 1
        self._on_less()
        if not len(self):
            self._lot.unpark_all()

    async def empty(self) -> None:
        """Wait until nothing is left."""
        while len(self):
            await self._lot.park()
