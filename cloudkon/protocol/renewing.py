"""Renewing: a longer lease and a checkpoint of the progress, while the claim is ours.

Besides state, owner and attempt it is fenced on the lease end growing: a renewal that timed out and takes effect
late must not shorten the lease that a later one got, nor put back its progress.
"""

from dataclasses import dataclass, replace
from typing import Self

from cloudkon.model import ChunkKey, ChunkState
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant
from cloudkon.protocol.state_machine import Answer, ClaimStateMachine, Lost, Verdict, record_read


@dataclass(frozen=True, slots=True)
class Renewed(Verdict):
    """The claim lasts longer, and its progress is recorded."""

    claim: Claim

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.claim.key


@dataclass(frozen=True, slots=True)
class Renewing(ClaimStateMachine):
    """One renewal of one claim. ``after`` is the latest lease end asked for so far, in epoch milliseconds."""

    after: int = 0
    looking: bool = False

    def ask(self, now: Instant) -> Request:
        """Write the later lease end and the progress, or see who has it if that was refused."""
        if self.looking:
            return Read(self.key)
        held = self.claim.record
        lease_end = max(now.wall + self.terms.lease, self.after + 1, held.lease_end + 1)
        record = replace(held, lease_end=lease_end, progress=self.progress, expires=self.terms.expires(now))
        return Update(record, owner=held.owner, attempt=held.attempt, lease_not_after=lease_end)

    def on_response(self, ask: Request, asked: Instant, answer: Answer) -> Self | Renewed | Lost:
        """Take the answer."""
        if answer is WriteOutcome.WRITTEN:
            assert not isinstance(ask, Read)
            return Renewed(Claim(ask.record, self.terms.trusted_until(asked)))
        if answer is WriteOutcome.FAILED:
            assert not isinstance(ask, Read)
            return replace(self, after=ask.record.lease_end)
        if answer is WriteOutcome.REFUSED:
            return replace(self, looking=True)
        found = record_read(ask, answer)
        held = self.claim.record
        ours = (
            found and found.state is ChunkState.CLAIMED and (found.owner, found.attempt) == (held.owner, held.attempt)
        )
        if found and ours:
            # The clock went back between two asks of which the first one's answer was lost.
            return replace(self, after=max(self.after, found.lease_end), looking=False)
        return Lost(self.key, found)
