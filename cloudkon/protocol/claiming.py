"""Claiming: insert; if somebody was there before, look; if its lease is over, steal.

    insert ──refused──▶ look ──free──▶ steal ──refused──▶ look …
      │                  │ │ │           │
      ▼                  ▼ ▼ ▼           ▼
    Claimed        Claimed Held Done   Claimed

A call that failed may have taken effect all the same: it is made again with the same token, and the look that
follows a refusal finds our own token there.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress
from cloudkon.ports import Insert, Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant, Terms
from cloudkon.protocol.state_machine import Answer, Verdict, record_read


@dataclass(frozen=True, slots=True)
class Claimed(Verdict):
    """It is ours: run it."""

    claim: Claim

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.claim.key


@dataclass(frozen=True, slots=True)
class Held(Verdict):
    """Somebody else's lease is live: come back when it is over, never delete.

    ``until`` is when it is over, the margin included, in monotonic seconds: an instant, for the answer may have been
    long on its way.
    """

    key: ChunkKey
    until: float


@dataclass(frozen=True, slots=True)
class Done(Verdict):
    """It was completed before: publish the stored results again, delete."""

    key: ChunkKey
    record: ChunkRecord


class _Phase(Enum):
    INSERT = "insert"
    LOOK = "look"
    STEAL = "steal"


@dataclass(frozen=True, slots=True)
class Claiming:
    """One worker's attempt to claim one chunk of ``tasks`` tasks with one owner token."""

    key: ChunkKey
    tasks: int
    token: str
    terms: Terms
    phase: _Phase = _Phase.INSERT
    seen: ChunkRecord | None = None
    unanswered: tuple[tuple[int, Instant], ...] = ()
    """The writes whose answers were lost: the lease end that each asked for, and when it was asked."""

    def ask(self, now: Instant) -> Request:
        """Insert a fresh record, read the one that is there, or replace exactly the one read."""
        if self.phase is _Phase.LOOK:
            return Read(self.key)
        if self.phase is _Phase.INSERT:
            return Insert(self._record(now, 1, Progress()))
        assert self.seen is not None
        given_back = self.seen.released or self.seen.owner == self.token
        progress = self.seen.progress if given_back else self.seen.progress.after_loss()
        return Update(
            self._record(now, self.seen.attempt + 1, progress),
            owner=self.seen.owner,
            attempt=self.seen.attempt,
            lease_end=self.seen.lease_end,
        )

    def on_response(self, ask: Request, asked: Instant, answer: Answer) -> Self | Claimed | Held | Done:
        """Take the answer; only a refusal may mean that somebody else was there."""
        if answer is WriteOutcome.WRITTEN:
            assert not isinstance(ask, Read)
            return self._claimed(ask.record, asked)
        if answer is WriteOutcome.REFUSED:
            return replace(self, phase=_Phase.LOOK)
        if answer is WriteOutcome.FAILED:
            assert not isinstance(ask, Read)
            return replace(self, unanswered=(*self.unanswered, (ask.record.lease_end, asked)))
        return self._judge(record_read(ask, answer), asked)

    def _judge(self, found: ChunkRecord | None, asked: Instant) -> Self | Claimed | Held | Done:
        if found is None:
            return replace(self, phase=_Phase.INSERT)
        if not found.readable:
            # A newer version's, in a rolling deploy: its workers will see to it, and it must not be touched.
            return Held(self.key, asked.monotonic + self.terms.lease / 1000)
        if found.state is ChunkState.DONE:
            return Done(self.key, found)
        if found.owner == self.token:
            return self._recognise(found, asked)
        left = found.lease_end + self.terms.margin - asked.wall
        if left >= 0 and not found.released:
            return Held(self.key, asked.monotonic + left / 1000)
        return replace(self, phase=_Phase.STEAL, seen=found)

    def _recognise(self, found: ChunkRecord, asked: Instant) -> Self | Claimed:
        """Our own write, whose answer was lost: it is claimed, unless its lease is too old to rely on."""
        # Of the asks that may have written this, the earliest: we must not rely on it for longer.
        since = min((at for lease_end, at in self.unanswered if lease_end == found.lease_end), default=None)
        if since and self.terms.trusted_until(since) > asked.monotonic:
            return self._claimed(found, since)
        return replace(self, phase=_Phase.STEAL, seen=found)

    def _claimed(self, record: ChunkRecord, since: Instant) -> Claimed:
        return Claimed(Claim(record, self.terms.trusted_until(since)))

    def _record(self, now: Instant, attempt: int, progress: Progress) -> ChunkRecord:
        return ChunkRecord(
            self.key,
            ChunkState.CLAIMED,
            self.token,
            attempt,
            now.wall + self.terms.lease,
            self.tasks,
            progress,
            self.terms.expires(now),
        )
