"""Claims a chunk: insert its record; if one exists, read it; if its lease is over, steal the chunk.

    insert ──refused──▶ read ──free──▶ steal ──refused──▶ read …
      │                  │ │ │           │
      ▼                  ▼ ▼ ▼           ▼
    Claimed        Claimed Held Done   Claimed

A call that failed may have taken effect all the same. It is repeated with the same token, and the read that follows a
refusal then finds our own token.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress
from cloudkon.ports import Insert, Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant, Terms
from cloudkon.protocol.state_machine import Response, Verdict, record_read


@dataclass(frozen=True, slots=True)
class Claimed(Verdict):
    """The chunk is ours: run it."""

    claim: Claim

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.claim.key


@dataclass(frozen=True, slots=True)
class Held(Verdict):
    """Another worker's lease is live: hide the message until it is over, and never delete it.

    ``until`` is when the lease is over, margin included, in monotonic seconds. It is a point in time, not a duration,
    because the response may have taken long to arrive.
    """

    key: ChunkKey
    until: float


@dataclass(frozen=True, slots=True)
class Done(Verdict):
    """The chunk was completed before: publish the stored results again, then delete the message."""

    key: ChunkKey
    record: ChunkRecord


class _Phase(Enum):
    INSERT = "insert"
    READ = "read"
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
    """The record to steal from, exactly as it was read."""
    unanswered: tuple[tuple[int, Instant], ...] = ()
    """Our writes that got no response: the lease end in each (epoch milliseconds), and when it was requested."""

    def ask(self, now: Instant) -> Request:
        """Return an insert of a new record, a read of the existing one, or an update of exactly the record as read."""
        if self.phase is _Phase.READ:
            return Read(self.key)
        if self.phase is _Phase.INSERT:
            return Insert(self._record(now, 1, Progress()))
        assert self.seen is not None
        no_loss = self.seen.released or self.seen.owner == self.token
        progress = self.seen.progress if no_loss else self.seen.progress.after_loss()
        return Update(
            self._record(now, self.seen.attempt + 1, progress),
            owner=self.seen.owner,
            attempt=self.seen.attempt,
            lease_end=self.seen.lease_end,
        )

    def on_response(self, request: Request, sent: Instant, response: Response) -> Self | Claimed | Held | Done:
        """Handle the response. Only a refusal may mean that another worker has the chunk."""
        if response is WriteOutcome.WRITTEN:
            assert not isinstance(request, Read)
            return self._claimed(request.record, sent)
        if response is WriteOutcome.REFUSED:
            return replace(self, phase=_Phase.READ)
        if response is WriteOutcome.FAILED:
            assert not isinstance(request, Read)
            return replace(self, unanswered=(*self.unanswered, (request.record.lease_end, sent)))
        return self._judge(record_read(request, response), sent)

    def _judge(self, found: ChunkRecord | None, sent: Instant) -> Self | Claimed | Held | Done:
        if found is None:
            return replace(self, phase=_Phase.INSERT)
        if not found.readable:
            # A newer version wrote it, in a rolling deploy: leave the chunk to the workers of that version.
            return Held(self.key, sent.monotonic + self.terms.lease / 1000)
        if found.state is ChunkState.DONE:
            return Done(self.key, found)
        if found.owner == self.token:
            return self._recognise(found, sent)
        left = found.lease_end + self.terms.margin - sent.wall
        if left >= 0 and not found.released:
            return Held(self.key, sent.monotonic + left / 1000)
        return replace(self, phase=_Phase.STEAL, seen=found)

    def _recognise(self, found: ChunkRecord, sent: Instant) -> Self | Claimed:
        """Handle our own write, whose response was lost: it is a claim, unless its lease is too old to rely on."""
        # Count from the earliest request that may have written this record, so that we don't rely on it for too long.
        since = min((at for lease_end, at in self.unanswered if lease_end == found.lease_end), default=None)
        if since and self.terms.trusted_until(since) > sent.monotonic:
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
