"""Defines a claim: a worker's exclusive right to a chunk, which expires unless it is renewed."""

import secrets
from dataclasses import dataclass
from typing import NamedTuple, Self

from cloudkon.model import ChunkKey, ChunkRecord
from cloudkon.ports import Clock
from cloudkon.settings import Settings

LEDGER_DAYS = 28
"""Days after its last write until an item expires: far more than a message's 14, so that no late copy runs again."""


class Instant(NamedTuple):
    """The same moment on both clocks: ``wall`` in epoch milliseconds, ``monotonic`` in seconds."""

    wall: int
    monotonic: float

    @classmethod
    def now(cls, clock: Clock) -> Self:
        """Read both clocks."""
        return cls(int(clock.wall() * 1000), clock.monotonic())


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts, and how far the clocks of workers may differ (``margin``), both in milliseconds."""

    lease: int
    margin: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the terms from the settings."""
        return cls(int(settings.lease_seconds * 1000), int(settings.skew_seconds * 1000))

    def expires(self, now: Instant) -> int:
        """The TTL of an item that is written now, in epoch seconds."""
        return now.wall // 1000 + LEDGER_DAYS * 86_400

    def trusted_until(self, since: Instant) -> float:
        """Until when a worker may rely on a lease that it requested at ``since``, in monotonic seconds.

        The time counts from before the request and ends a margin early, because other workers see the lease end up to a
        margin late.
        """
        return since.monotonic + self.trusted_seconds

    @property
    def trusted_seconds(self) -> float:
        """How long a worker may rely on a lease without a renewal, in seconds."""
        return max(self.lease - self.margin, self.lease // 2) / 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's claim: the record as last written, and until when (monotonic seconds) the worker may rely on it."""

    record: ChunkRecord
    trusted_until: float

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.record.key

    @property
    def token(self) -> str:
        """The owner token: new for each claim, the same when a claim's request is repeated."""
        return self.record.owner


def new_token() -> str:
    """Make an owner token of 80 random bits. It is short because every item and every object key contains it."""
    return secrets.token_hex(10)
