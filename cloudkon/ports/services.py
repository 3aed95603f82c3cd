"""Bundles the ports of one fleet, whatever adapters implement them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudkon.errors import InvalidInput, NoFleet
from cloudkon.model import Depth, Priority
from cloudkon.ports.ledger import Ledger
from cloudkon.ports.queue import Queue
from cloudkon.ports.store import Store
from cloudkon.ports.waker import NullWaker, Waker
from cloudkon.programs import command


@dataclass(frozen=True, slots=True)
class Services:
    """One fleet's queues, ledger and store, and its waker. Queues of pools are by pool name.

    ``queues`` are those of normal priority. In a fleet that was created before priorities existed, ``high_queues`` is
    empty, or its queues raise ``NoFleet``.
    """

    queues: Mapping[str, Queue]
    dead_letters: Mapping[str, Queue]
    results: Queue
    ledger: Ledger
    store: Store
    waker: Waker = field(default_factory=NullWaker)
    high_queues: Mapping[str, Queue] = field(default_factory=dict)

    def queue(self, pool: str, priority: Priority) -> Queue:
        """Return a pool's queue of that priority. Raises ``InvalidInput`` if the fleet has none, or no such pool."""
        if pool not in self.queues:
            raise InvalidInput(f"pool {pool!r:.60}", "there is no such pool", f"Pools: {', '.join(self.queues)}")
        found = (self.queues if priority is Priority.NORMAL else self.high_queues).get(pool)
        if found is None:
            raise no_high_queue(pool)
        return found

    async def high_backlog(self, pool: str) -> Depth:
        """Return the depth of a pool's queue of high priority, zero if it has none. Raises as ``Queue.depth`` does."""
        try:
            return await self.high_queues[pool].depth()
        except (KeyError, NoFleet):
            return Depth(0, 0, 0)

    async def backlog(self, pool: str) -> Depth:
        """Return the depth of both queues of a pool together. Raises as ``Queue.depth`` does."""
        return await self.queues[pool].depth() + await self.high_backlog(pool)


def no_high_queue(pool: str) -> InvalidInput:
    """Make the error for a fleet that was created before pools had two queues."""
    remedy = f"Bring the fleet up to date with: {command('fleet up')}, or push without --priority"
    return InvalidInput("--priority high", f"the fleet's pool {pool} has no queue for it", remedy)
