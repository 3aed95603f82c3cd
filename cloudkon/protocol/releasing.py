"""Releasing: the results so far go into the ledger and the lease is cleared; it costs nobody an attempt."""

from dataclasses import dataclass, replace
from typing import Self

from cloudkon.model import ChunkKey
from cloudkon.model.chunk_record import NO_OWNER, RELEASED_LEASE_END
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import Answer, ClaimStateMachine, Verdict


@dataclass(frozen=True, slots=True)
class Released(Verdict):
    """The claim is no longer ours, by our own release or somebody's steal: give the message back."""

    key: ChunkKey


@dataclass(frozen=True, slots=True)
class Releasing(ClaimStateMachine):
    """One release of one claim."""

    def ask(self, now: Instant) -> Request:
        """Clear owner and lease, fenced on state, owner and attempt."""
        held = self.claim.record
        record = replace(
            held,
            owner=NO_OWNER,
            lease_end=RELEASED_LEASE_END,
            progress=replace(self.progress, suspect=None),
            expires=self.terms.expires(now),
        )
        return Update(record, owner=held.owner, attempt=held.attempt)

    def on_response(self, ask: Request, asked: Instant, answer: Answer) -> Self | Released:  # noqa: ARG002  (a Machine)
        """Take the answer; refused means that it is free, somebody else's, or done: no longer ours in any case."""
        if answer is WriteOutcome.FAILED:
            return self
        assert not isinstance(ask, Read)
        return Released(self.key)
