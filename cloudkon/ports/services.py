"""Services: everything a program needs of one fleet, whichever adapters stand behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudkon.errors import InvalidInput, NoFleet
from cloudkon.model import Depth, Priority
from cloudkon.ports.ledger import Ledger
from cloudkon.ports.queue import Queue
from cloudkon.ports.store import Store
from cloudkon.ports.waker import NullWaker, Waker


@dataclass(frozen=True, slots=True)
class Services:
    """One fleet's queues (by pool name), result queue, ledger and store, and what wakes it.

    ``queues`` are those of normal priority. A fleet that was made before there were two has no ``high_queues``, or
    names that no queue answers to (``NoFleet``).
    """

    queues: Mapping[str, Queue]
    dead_letters: Mapping[str, Queue]
    results: Queue
    ledger: Ledger
    store: Store
    waker: Waker = field(default_factory=NullWaker)
    high_queues: Mapping[str, Queue] = field(default_factory=dict)

    def queue(self, pool: str, priority: Priority) -> Queue:
        """A pool's queue of that priority. Raises ``InvalidInput`` where there is none."""
        found = (self.queues if priority is Priority.NORMAL else self.high_queues).get(pool)
        if found is None:
            raise no_high_queue(pool)
        return found

    async def high_backlog(self, pool: str) -> Depth:
        """What lies on a pool's queue of high priority; nothing where it has none. Raises what the queue raises."""
        try:
            return await self.high_queues[pool].depth()
        except (KeyError, NoFleet):
            return Depth(0, 0, 0)

    async def backlog(self, pool: str) -> Depth:
        """What lies on both of a pool's queues. Raises what they raise, ``NoFleet`` only where there is neither."""
        return await self.queues[pool].depth() + await self.high_backlog(pool)


def no_high_queue(pool: str) -> InvalidInput:
    """For a fleet that was made before pools had two queues."""
    remedy = "Bring the fleet up to date with: python -m fleet up, or push without --priority"
    return InvalidInput("--priority high", f"the fleet's pool {pool} has no queue for it", remedy)
