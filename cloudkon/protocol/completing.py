"""Completes a chunk: records its results for good, if the claim is still ours."""

from dataclasses import dataclass, replace
from typing import Self

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import ClaimStateMachine, Lost, Response, Verdict, record_read


@dataclass(frozen=True, slots=True)
class Recorded(Verdict):
    """The chunk is DONE under our token: publish the results, then delete the message."""

    record: ChunkRecord

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Completing(ClaimStateMachine):
    """The completion of one claim. ``progress`` has a result for every task."""

    reading: bool = False
    """Whether the next request reads the record, after a refused write."""

    def ask(self, now: Instant) -> Request:
        """Return a write of DONE, fenced on state, owner and attempt; after a refusal, a read of the record."""
        if self.reading:
            return Read(self.key)
        held = self.claim.record
        record = replace(held, state=ChunkState.DONE, progress=self.progress, expires=self.terms.expires(now))
        return Update(record, owner=held.owner, attempt=held.attempt)

    def on_response(self, request: Request, sent: Instant, response: Response) -> Self | Recorded | Lost:  # noqa: ARG002  (part of the protocol)
        """Handle the response. Our own earlier write, whose response was lost, also causes a refusal."""
        if response is WriteOutcome.WRITTEN:
            assert not isinstance(request, Read)
            return Recorded(request.record)
        if response is WriteOutcome.FAILED:
            return self
        if response is WriteOutcome.REFUSED:
            return replace(self, reading=True)
        found = record_read(request, response)
        if found and found.state is ChunkState.DONE and found.owner == self.claim.token:
            return Recorded(found)
        return Lost(self.key, found)
