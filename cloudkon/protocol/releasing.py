"""Releases a chunk: records the results so far and clears the lease. No task loses an attempt by it."""

from dataclasses import dataclass, replace
from typing import Self

from cloudkon.model import ChunkKey
from cloudkon.model.chunk_record import NO_OWNER, RELEASED_LEASE_END
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import ClaimStateMachine, Response, Verdict


@dataclass(frozen=True, slots=True)
class Released(Verdict):
    """The claim is no longer ours, by our release or another worker's steal: make the message visible again."""

    key: ChunkKey


@dataclass(frozen=True, slots=True)
class Releasing(ClaimStateMachine):
    """The release of one claim."""

    def ask(self, now: Instant) -> Request:
        """Return a write that clears owner and lease, fenced on state, owner and attempt."""
        held = self.claim.record
        record = replace(
            held,
            owner=NO_OWNER,
            lease_end=RELEASED_LEASE_END,
            progress=replace(self.progress, suspect=None),
            expires=self.terms.expires(now),
        )
        return Update(record, owner=held.owner, attempt=held.attempt)

    def on_response(self, request: Request, sent: Instant, response: Response) -> Self | Released:  # noqa: ARG002  (part of the protocol)
        """Handle the response. A refusal means that the chunk is free, claimed by another worker, or done."""
        if response is WriteOutcome.FAILED:
            return self
        assert not isinstance(request, Read)
        return Released(self.key)
