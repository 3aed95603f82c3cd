"""Puts back messages that this worker can't run now, for other workers or for later."""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from cloudkon.backoff import Backoff
from cloudkon.model import Delivery

from .queue_client import QueueClient

MOST_RECEIPTS: Final = 300
"""Receipts after which a message that no worker can run is rejected: about four hours with the default lease. That is
well below the 1,000 after which the queue itself gives up. Copies of a chunk that other workers run count once a
lease."""


class Redelivery:
    """Hides each message for twice as long as the last time, up to ``longest`` seconds."""

    def __init__(self, queue_client: QueueClient, longest: float, rng: random.Random) -> None:
        """``rng`` draws the jitter."""
        self._queue_client = queue_client
        self._rng = rng
        # For grouping only: the jitter is drawn once for each group.
        self._backoff = Backoff(first=1.0, most=longest, jitter=0.0)

    def is_exhausted(self, delivery: Delivery) -> bool:
        """Whether the message was put back so often that it belongs in the dead-letter queue."""
        return delivery.receives >= MOST_RECEIPTS

    async def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """Put messages back for later."""
        by_wait: dict[float, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_wait[self._backoff.wait(delivery.receives)].append(delivery)
        for wait, some in by_wait.items():
            await self._queue_client.give_back(some, self._rng.uniform(wait / 2, wait))
