"""Queue: at-least-once delivery in any order, as SQS promises it and no better."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from cloudkon.model import Delivery, Depth, Outgoing

BATCH = 10
"""Messages that SQS takes or gives in one call."""
MOST_VISIBILITY = 43_200
"""Seconds a delivery may stay invisible, from its receipt (12 h)."""


class QueueOutcome(Enum):
    """What became of one entry of a batch."""

    DONE = "done"
    """It took effect."""
    GONE = "gone"
    """The handle is stale or the message no longer there: no longer ours, and no error."""
    FAILED = "failed"
    """It did not take effect, or nobody knows: try again."""


class Queue(Protocol):
    """One queue. Batches hold up to ``BATCH`` entries; each outcome stands where its entry stood.

    A whole call that fails raises ``Unavailable`` (it may have taken effect), ``AccessDenied`` or ``NoFleet``.
    """

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        """Put messages on the queue."""
        ...

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        """Take up to ``limit`` messages, waiting up to ``wait`` seconds (20 at most) for the first.

        Each stays invisible to others for ``visibility`` seconds.
        """
        ...

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """Take messages off for good."""
        ...

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Let each stay invisible for so many seconds from now; 0 gives it back at once."""
        ...

    async def depth(self) -> Depth:
        """The approximate counts."""
        ...

    async def purge(self) -> None:
        """Take everything off for good, what others have received included; SQS may take a minute over it.

        Raises ``Throttled`` where one was begun less than a minute ago.
        """
        ...
