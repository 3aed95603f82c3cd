"""Declares the queue: at-least-once delivery in any order, with exactly the promises of SQS."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from cloudkon.model import Delivery, Depth, Outgoing

BATCH = 10
"""Messages that SQS accepts or returns in one call."""
MOST_VISIBILITY = 43_200
"""Seconds that a delivery may stay invisible, counted from its receipt (12 h)."""


class QueueOutcome(Enum):
    """The outcome of one entry of a batch."""

    DONE = "done"
    """The entry took effect."""
    GONE = "gone"
    """The handle is stale, or the message is deleted. It is no longer ours, which is not an error."""
    FAILED = "failed"
    """The entry did not take effect, or the outcome is unknown: try again."""


class Queue(Protocol):
    """One queue.

    Batches have up to ``BATCH`` entries; more raise ``ValueError``. Outcomes are in the order of their entries. A call
    that fails as a whole raises ``Unavailable`` (it may have taken effect), ``AccessDenied`` or ``NoFleet``.
    """

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        """Put messages on the queue."""
        ...

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        """Receive up to ``limit`` messages. Wait up to ``wait`` seconds (at most 20) for the first one.

        Each message stays invisible to other receivers for ``visibility`` seconds.
        """
        ...

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """Delete the messages of these deliveries."""
        ...

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Keep each delivery invisible for the given seconds from now. 0 makes it visible at once."""
        ...

    async def depth(self) -> Depth:
        """Return the approximate number of messages."""
        ...

    async def purge(self) -> None:
        """Delete all messages, also those that others have received. SQS may take a minute for it.

        Raises ``Throttled`` if another purge began less than a minute ago.
        """
        ...
