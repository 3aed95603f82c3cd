"""Claims a chunk: insert its record; if one exists, read it; if its lease is over, steal the chunk.

    insert ──refused──▶ read ──free──▶ steal ──refused──▶ read …
      │                  │ │ │           │
      ▼                  ▼ ▼ ▼           ▼
    Claimed        Claimed Held Done   Claimed

A record that can't be read, or is of other tasks, is left as it is (``Unreadable``, ``Mismatched``).

A call that failed may have taken effect all the same. It is repeated with the same token, and the read that follows a
refusal then finds our own token.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Self

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress
from cloudkon.ports import Insert, Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant, Terms
from cloudkon.protocol.state_machine import Response, Verdict, record_read
from cloudkon.settings import LONGEST_LEASE

LONGEST_HOLD_MS: Final = 2 * LONGEST_LEASE * 1000
"""The longest time for which another worker can hold a chunk, however far the clocks differ, in milliseconds."""


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


@dataclass(frozen=True, slots=True)
class Unreadable(Verdict):
    """The chunk's record can't be read: leave the message for later, perhaps to a worker of a newer version."""

    key: ChunkKey
    reason: str


@dataclass(frozen=True, slots=True)
class Mismatched(Verdict):
    """The record is of other tasks: two messages have the same key, and this one's tasks must not count as done."""

    key: ChunkKey


ClaimVerdict = Claimed | Held | Done | Unreadable | Mismatched


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
    digest: str = ""
    """The digest of the chunk's tasks, which the record keeps."""
    first: int | None = None
    """The number of the chunk's first task. ``None`` if records are not compared with the chunk."""

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

    def on_response(self, request: Request, sent: Instant, response: Response) -> Self | ClaimVerdict:
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

    def _judge(self, found: ChunkRecord | None, sent: Instant) -> Self | ClaimVerdict:
        if found is None:
            return replace(self, phase=_Phase.INSERT)
        if unusable := self._unusable(found, sent):
            return unusable
        if found.state is ChunkState.DONE:
            return Done(self.key, found)
        if found.owner == self.token:
            return self._recognise(found, sent)
        left = found.lease_end + self.terms.margin - sent.wall
        if left >= 0 and not found.released:
            return Held(self.key, sent.monotonic + left / 1000)
        return replace(self, phase=_Phase.STEAL, seen=found)

    def _unusable(self, found: ChunkRecord, sent: Instant) -> Unreadable | Mismatched | None:
        """Return the verdict on a record that must be left as it is; ``None`` for any other record."""
        if not found.readable:
            # A newer version wrote it, in a rolling deploy, or it was damaged: other workers may read it.
            return Unreadable(self.key, found.fault or f"the ledger's item of chunk {self.key} can't be read")
        if self.first is not None and not found.is_of(self.digest, self.first, self.tasks):
            return Mismatched(self.key)
        left = found.lease_end - sent.wall
        if left > LONGEST_HOLD_MS and found.state is ChunkState.CLAIMED:
            # No worker asks for such a lease, and the queue would lose the message before it ends.
            hours = left // 3_600_000
            return Unreadable(self.key, f"the ledger's item of chunk {self.key} has a lease of {hours:,} hours more")
        return None

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
            digest=self.digest,
        )
