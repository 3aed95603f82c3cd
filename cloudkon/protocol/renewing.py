"""Renews a claim: extends its lease and records the progress so far, while the claim is ours.

The write is fenced on state, owner and attempt, and on a lease end that grows: a renewal that timed out and takes
effect late must not shorten the lease of a later renewal, nor overwrite its progress.
"""

from dataclasses import dataclass, replace
from typing import Self

from cloudkon.model import ChunkKey, ChunkState
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant
from cloudkon.protocol.state_machine import ClaimStateMachine, Lost, Response, Verdict, record_read


@dataclass(frozen=True, slots=True)
class Renewed(Verdict):
    """The lease is extended, and the progress is recorded."""

    claim: Claim

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.claim.key


@dataclass(frozen=True, slots=True)
class Renewing(ClaimStateMachine):
    """The renewal of one claim."""

    after: int = 0
    """The latest lease end requested so far, in epoch milliseconds."""
    reading: bool = False
    """Whether the next request reads the record, after a refused write."""

    def ask(self, now: Instant) -> Request:
        """Return a write of a later lease end and the progress; after a refusal, a read of the record."""
        if self.reading:
            return Read(self.key)
        held = self.claim.record
        lease_end = max(now.wall + self.terms.lease, self.after + 1, held.lease_end + 1)
        record = replace(held, lease_end=lease_end, progress=self.progress, expires=self.terms.expires(now))
        return Update(record, owner=held.owner, attempt=held.attempt, lease_not_after=lease_end)

    def on_response(self, request: Request, sent: Instant, response: Response) -> Self | Renewed | Lost:
        """Handle the response. After a refusal, the record shows whether the claim is lost."""
        if response is WriteOutcome.WRITTEN:
            assert not isinstance(request, Read)
            return Renewed(Claim(request.record, self.terms.trusted_until(sent)))
        if response is WriteOutcome.FAILED:
            assert not isinstance(request, Read)
            return replace(self, after=request.record.lease_end)
        if response is WriteOutcome.REFUSED:
            return replace(self, reading=True)
        found = record_read(request, response)
        held = self.claim.record
        ours = (
            found and found.state is ChunkState.CLAIMED and (found.owner, found.attempt) == (held.owner, held.attempt)
        )
        if found and ours:
            # Our clock was set back between two requests, and the response to the first one was lost.
            return replace(self, after=max(self.after, found.lease_end), reading=False)
        return Lost(self.key, found)
