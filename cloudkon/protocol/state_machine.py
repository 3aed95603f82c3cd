"""Defines the state machines of the protocol: each is the state of one exchange with the ledger about one chunk."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from cloudkon.model import ChunkKey, ChunkRecord, Progress
from cloudkon.ports import Read, Request, WriteOutcome
from cloudkon.protocol.claim import Claim, Instant, Terms

V_co = TypeVar("V_co", bound="Verdict", covariant=True)

Response = WriteOutcome | ChunkRecord | None
"""The ledger's response: the outcome of a write, or the record that a read found (``None`` if there is none)."""


class Verdict:
    """The final result of a state machine."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Lost(Verdict):
    """The claim is no longer ours: write nothing, publish nothing, delete nothing. ``seen`` is the record as read."""

    key: ChunkKey
    seen: ChunkRecord | None


class StateMachine(Protocol[V_co]):
    """Alternates requests and responses, until ``on_response`` returns a verdict (``V_co``) and not a next state."""

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        ...

    def ask(self, now: Instant) -> Request:
        """Return the next request. Called right before a request is sent, also to repeat a read that failed."""
        ...

    def on_response(self, request: Request, sent: Instant, response: Response) -> "StateMachine[V_co] | V_co":
        """Handle the response to ``request``, which was sent at ``sent``: return the next state, or the verdict."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimStateMachine:
    """What the state machines about a claim of ours have in common."""

    claim: Claim
    progress: Progress
    """The progress to record."""
    terms: Terms

    @property
    def key(self) -> ChunkKey:
        """The chunk's key."""
        return self.claim.key


def record_read(request: Request, response: Response) -> ChunkRecord | None:
    """The record in the response to a read."""
    assert isinstance(request, Read)
    assert not isinstance(response, WriteOutcome)
    return response
