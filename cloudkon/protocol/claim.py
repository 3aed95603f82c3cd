"""Claim: a worker's exclusive, expiring right to a chunk."""

import secrets
from dataclasses import dataclass
from typing import NamedTuple, Self

from cloudkon.model import ChunkKey, ChunkRecord
from cloudkon.ports import Clock
from cloudkon.settings import Settings

LEDGER_DAYS = 28
"""An item outlives its message (14 days) by far, so that no late copy of it runs again."""


class Instant(NamedTuple):
    """One moment by both clocks: epoch milliseconds, and monotonic seconds."""

    wall: int
    monotonic: float

    @classmethod
    def now(cls, clock: Clock) -> Self:
        """Read both clocks."""
        return cls(int(clock.wall() * 1000), clock.monotonic())


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a claim lasts and how far clocks may differ, both in milliseconds."""

    lease: int
    margin: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The terms that the settings give."""
        return cls(int(settings.lease_seconds * 1000), int(settings.skew_seconds * 1000))

    def expires(self, now: Instant) -> int:
        """The TTL of an item written now, in epoch seconds."""
        return now.wall // 1000 + LEDGER_DAYS * 86_400

    def trusted_until(self, since: Instant) -> float:
        """Until when, in monotonic seconds, a worker may hold a lease that it asked for at ``since`` for its own.

        Counted from before the request, and ended a margin early: the others see it end a margin late.
        """
        return since.monotonic + self.trusted_seconds

    @property
    def trusted_seconds(self) -> float:
        """How long a lease may be relied on without a renewal."""
        return max(self.lease - self.margin, self.lease // 2) / 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker knows of its claim: the record as last written, and until when it may rely on it."""

    record: ChunkRecord
    trusted_until: float

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.record.key

    @property
    def token(self) -> str:
        """The owner token, new for each claim and the same for that claim's retries."""
        return self.record.owner


def new_token() -> str:
    """An owner token: 80 random bits, short because it stands in every item and object key."""
    return secrets.token_hex(10)
