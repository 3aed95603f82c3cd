"""Withdraws a claim of which it is not known whether it was made: its request failed, perhaps after it took effect.

    read ──ours──▶ release ──refused──▶ Released
      │
      ▼ of another, or none
    Released

Without it, the chunk would wait for the end of a lease that nobody uses, and its next worker would take us for dead. A
request that takes effect only after the read is not found; that costs this lease.
"""

from dataclasses import dataclass

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState
from cloudkon.ports import Read, Request
from cloudkon.protocol.claim import Claim, Instant, Terms
from cloudkon.protocol.releasing import Released, Releasing
from cloudkon.protocol.state_machine import Response, record_read


@dataclass(frozen=True, slots=True)
class Withdrawing:
    """The withdrawal of the claim with one owner token."""

    key: ChunkKey
    token: str
    terms: Terms

    def ask(self, now: Instant) -> Request:  # noqa: ARG002  (part of the protocol)
        """Return a read of the record."""
        return Read(self.key)

    def on_response(self, request: Request, sent: Instant, response: Response) -> Releasing | Released:
        """Handle the record: release it if our claim wrote it. Anything else is not ours to change."""
        found = record_read(request, response)
        if found is None or not self._is_ours(found):
            return Released(self.key)
        return Releasing(Claim(found, sent.monotonic), found.progress, self.terms)

    def _is_ours(self, found: ChunkRecord) -> bool:
        return found.readable and found.state is ChunkState.CLAIMED and found.owner == self.token
