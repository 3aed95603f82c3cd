"""Completing: the results become the recorded ones, if the claim is still ours."""

from dataclasses import dataclass, replace
from typing import Self

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState
from cloudkon.ports import Read, Request, Update, WriteOutcome
from cloudkon.protocol.claim import Instant
from cloudkon.protocol.state_machine import Answer, ClaimStateMachine, Lost, Verdict, record_read


@dataclass(frozen=True, slots=True)
class Recorded(Verdict):
    """The ledger says DONE under our token: publish, then delete."""

    record: ChunkRecord

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Completing(ClaimStateMachine):
    """One completion of one claim; ``progress`` holds a result for every task."""

    looking: bool = False

    def ask(self, now: Instant) -> Request:
        """Write DONE, fenced on state, owner and attempt; or read back where that was refused."""
        if self.looking:
            return Read(self.key)
        held = self.claim.record
        record = replace(held, state=ChunkState.DONE, progress=self.progress, expires=self.terms.expires(now))
        return Update(record, owner=held.owner, attempt=held.attempt)

    def on_response(self, ask: Request, asked: Instant, answer: Answer) -> Self | Recorded | Lost:  # noqa: ARG002  (a Machine)
        """Take the answer; a refusal can be our own write, whose answer was lost."""
        if answer is WriteOutcome.WRITTEN:
            assert not isinstance(ask, Read)
            return Recorded(ask.record)
        if answer is WriteOutcome.FAILED:
            return self
        if answer is WriteOutcome.REFUSED:
            return replace(self, looking=True)
        found = record_read(ask, answer)
        if found and found.state is ChunkState.DONE and found.owner == self.claim.token:
            return Recorded(found)
        return Lost(self.key, found)
