"""Pool queues: both queues of a worker's pool. What is done with a delivery is done at the one that it came from."""

from collections.abc import Awaitable, Callable, Sequence

from cloudkon.errors import CloudKonError
from cloudkon.model import Delivery, Depth, Pool, Priority
from cloudkon.ports import Queue, QueueOutcome, Services


class PoolQueues:
    """They are ``queues`` by priority; a fleet of before there were two has one."""

    def __init__(self, services: Services, pool: Pool) -> None:
        """Those of a pool, the one of high priority first."""
        high = services.high_queues.get(pool.name)
        self.queues: dict[Priority, Queue] = {Priority.HIGH: high} if high else {}
        self.queues[Priority.NORMAL] = services.queues[pool.name]
        self._services = services
        self._pool = pool.name

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """As ``Queue.delete``, of up to ten."""
        return await self._each(deliveries, lambda queue, places: queue.delete([deliveries[at] for at in places]))

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """As ``Queue.set_visibility``, of up to ten."""

        async def call(queue: Queue, places: Sequence[int]) -> list[QueueOutcome]:
            return await queue.set_visibility([deliveries[at] for at in places], [seconds[at] for at in places])

        return await self._each(deliveries, call)

    async def depth(self) -> Depth:
        """What lies on both."""
        return await self._services.backlog(self._pool)

    async def _each(
        self,
        deliveries: Sequence[Delivery],
        call: Callable[[Queue, Sequence[int]], Awaitable[list[QueueOutcome]]],
    ) -> list[QueueOutcome]:
        """Call each queue with the places of its own deliveries; a call that fails raises only if no other was made."""
        outcomes = [QueueOutcome.FAILED] * len(deliveries)
        answered = False
        for priority, queue in self.queues.items():
            places = [at for at, delivery in enumerate(deliveries) if delivery.priority is priority]
            if not places:
                continue
            try:
                found = await call(queue, places)
            except CloudKonError:
                if not answered:
                    raise
                continue
            answered = True
            for at, outcome in zip(places, found, strict=True):
                outcomes[at] = outcome
        return outcomes
