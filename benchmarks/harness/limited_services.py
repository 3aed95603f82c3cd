"""Simulates SQS and DynamoDB in memory and virtual time, with AWS's latencies and published limits.

Amazon DynamoDB Developer Guide, "Quotas" and "on-demand capacity": a partition takes 1,000 write units a second, a new
on-demand table 4,000 in all, which makes four partitions. Amazon SQS Developer Guide, "Quotas": 120,000 messages of a
standard queue may be in flight; a receive beyond that returns nothing.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import trio

from benchmarks.stub.latency import DYNAMODB, SQS, Latency
from cloudkon.memory import MemoryLedger, MemoryQueue
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Delivery, Outgoing
from cloudkon.ports import QueueOutcome, Write, WriteOutcome
from cloudkon.wire.progress import encode_progress

PARTITION_UNITS: Final = 1_000.0
PARTITIONS: Final = 4
"""Partitions of a new on-demand table. A table that has served more has more, and serves twice its earlier peak."""
BURST_SECONDS: Final = 0.1
"""AWS grants unused units of up to 300 s on a best-effort basis; the benchmark measures what lasts, not the burst."""
MOST_IN_FLIGHT: Final = 120_000
_UNIT_BYTES: Final = 1024
_ITEM_BYTES: Final = 250
"""Bytes of an item without its progress: key, state, token and numbers."""


@cache
def partition_of(key: str) -> int:
    """The table's partition for a partition key, by a hash: some partitions get more keys than others."""
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()) % PARTITIONS


class Bucket:
    """A token bucket of write units: they arrive at a rate and are kept for ``BURST_SECONDS``, in trio's time."""

    def __init__(self, rate: float) -> None:
        """Start full."""
        self._rate = rate
        self._units = rate * BURST_SECONDS
        self._at = trio.current_time()

    def take(self, units: float) -> bool:
        """Take ``units`` if the bucket holds them; return whether it did."""
        now = trio.current_time()
        self._units = min(self._rate * BURST_SECONDS, self._units + (now - self._at) * self._rate)
        self._at = now
        if self._units < units:
            return False
        self._units -= units
        return True


class LimitedLedger(MemoryLedger):
    """A ledger with DynamoDB's latencies, which throttles statements as DynamoDB does."""

    def __init__(self, seed: int) -> None:
        """Start as a new table."""
        super().__init__()
        self._latency = Latency(DYNAMODB, seed)
        self._buckets = [Bucket(PARTITION_UNITS) for _ in range(PARTITIONS)]
        self._units: dict[tuple[int, ChunkState], int] = {}
        self.calls = self.throttled = self.units = 0
        self.recorded = 0
        """Tasks of DONE chunks."""

    @property
    def chunk_units(self) -> int:
        """Units of a chunk from its claim to its completion, if all chunks have one size and none is renewed."""
        return sum(self._units.values())

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Execute the statements that the limits admit; the others are throttled one by one."""
        self.calls += 1
        await trio.sleep(self._latency.draw())
        return await super().write(writes)

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        """Read with DynamoDB's latency."""
        self.calls += 1
        await trio.sleep(self._latency.draw())
        return await super().read(keys)

    def _write(self, write: Write) -> WriteOutcome:
        record = write.record
        units = self._cost(record)
        if not self._buckets[partition_of(record.key.partition)].take(units):
            self.throttled += 1
            return WriteOutcome.FAILED
        self.units += units
        outcome = super()._write(write)
        if outcome is WriteOutcome.WRITTEN and record.state is ChunkState.DONE:
            self.recorded += record.tasks
        return outcome

    def _cost(self, record: ChunkRecord) -> int:
        """Units of a write: the item's KiB, rounded up. Chunks of one size and state have about the same size."""
        known = (len(record.progress.results), record.state)
        if known not in self._units:
            self._units[known] = math.ceil((_ITEM_BYTES + len(encode_progress(record.progress))) / _UNIT_BYTES)
        return self._units[known]


class LimitedQueue(MemoryQueue):
    """A queue with SQS's latencies, which returns nothing while too many messages are in flight."""

    def __init__(self, seed: int) -> None:
        """Start empty."""
        super().__init__()
        self._latency = Latency(SQS, seed)
        self.calls = 0

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        """Send with SQS's latency."""
        await self._call()
        return await super().send(messages)

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        """Receive with SQS's latency, and nothing beyond its limit."""
        await self._call()
        if len(self._messages) - len(self._visible) + limit > MOST_IN_FLIGHT:
            await trio.sleep(wait)
            return []
        return await super().receive(limit, wait, visibility)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """Delete with SQS's latency."""
        await self._call()
        return await super().delete(deliveries)

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Set visibility with SQS's latency."""
        await self._call()
        return await super().set_visibility(deliveries, seconds)

    async def _call(self) -> None:
        self.calls += 1
        await trio.sleep(self._latency.draw())
