"""Combines the two queues of a pool; a call about a delivery goes to the queue that it came from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from cloudkon.errors import CloudKonError
from cloudkon.model import Delivery, Depth, Pool, Priority
from cloudkon.ports import Queue, QueueOutcome, Services


class PoolQueues:
    """The normal and the high-priority queue; fleets that were deployed before there were priorities have one."""

    def __init__(self, services: Services, pool: Pool) -> None:
        """Find the queues of a pool."""
        high = services.high_queues.get(pool.name)
        self._queues: dict[Priority, Queue] = {Priority.HIGH: high} if high else {}
        self._queues[Priority.NORMAL] = services.queues[pool.name]
        self._services = services
        self._pool = pool.name

    @property
    def priorities(self) -> tuple[Priority, ...]:
        """The priorities for which there is a queue, the high one first."""
        return tuple(self._queues)

    async def receive(self, priority: Priority, limit: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Receive from one queue, as ``Queue.receive`` does; the deliveries carry its priority."""
        deliveries = await self._queues[priority].receive(limit, wait, visibility)
        if priority is Priority.NORMAL:
            return deliveries
        return [replace(delivery, priority=priority) for delivery in deliveries]

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """Delete up to ten messages, as ``Queue.delete`` does."""
        return await self._each(deliveries, lambda queue, places: queue.delete([deliveries[at] for at in places]))

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Set how long up to ten messages stay hidden, as ``Queue.set_visibility`` does."""

        async def call(queue: Queue, places: Sequence[int]) -> list[QueueOutcome]:
            return await queue.set_visibility([deliveries[at] for at in places], [seconds[at] for at in places])

        return await self._each(deliveries, call)

    async def depth(self) -> Depth:
        """Count the messages on both queues."""
        return await self._services.backlog(self._pool)

    async def _each(
        self,
        deliveries: Sequence[Delivery],
        call: Callable[[Queue, Sequence[int]], Awaitable[list[QueueOutcome]]],
    ) -> list[QueueOutcome]:
        """Call each queue with the places of its own deliveries in the sequence.

        An error is raised only if no call has succeeded before it; otherwise its deliveries' outcomes are ``FAILED``.
        """
        outcomes = [QueueOutcome.FAILED] * len(deliveries)
        answered = False
        for priority, queue in self._queues.items():
            places = [at for at, delivery in enumerate(deliveries) if delivery.priority is priority]
            if not places:
                continue
            try:
                answers = await call(queue, places)
            except CloudKonError:
                if not answered:
                    raise
                continue
            answered = True
            for at, outcome in zip(places, answers, strict=True):
                outcomes[at] = outcome
        return outcomes
