"""StateMachine: a conversation with the ledger about one chunk, as a value."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from cloudkon.model import ChunkKey, ChunkRecord, Progress
from cloudkon.ports import Read, Request, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant, Terms

V_co = TypeVar("V_co", bound="Verdict", covariant=True)

Answer = WriteOutcome | ChunkRecord | None
"""What the ledger says to an ask: a write's outcome, or what a read found."""


class Verdict:
    """How a conversation ended."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Lost(Verdict):
    """The claim is somebody else's now: write nothing, publish nothing, delete nothing."""

    key: ChunkKey
    seen: ChunkRecord | None


class StateMachine(Protocol[V_co]):
    """Ask, be told, ask again, until ``on_response`` gives a verdict (``V_co``) instead of the machine's next state."""

    @property
    def key(self) -> ChunkKey:
        """The chunk it is about."""
        ...

    def ask(self, now: Instant) -> Request:
        """What to ask of the ledger, right before the request. A read that failed is simply asked for again."""
        ...

    def on_response(self, ask: Request, asked: Instant, answer: Answer) -> "StateMachine[V_co] | V_co":
        """Take the answer to ``ask``, which was asked at ``asked``."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimStateMachine:
    """What every conversation about a claim of ours begins with."""

    claim: Claim
    progress: Progress
    terms: Terms

    @property
    def key(self) -> ChunkKey:
        """The chunk's."""
        return self.claim.key


def record_read(ask: Request, answer: Answer) -> ChunkRecord | None:
    """The record that answers a read."""
    assert isinstance(ask, Read)
    assert not isinstance(answer, WriteOutcome)
    return answer
