"""Pool: an image with its two queues, its dead-letter queue and its service."""

from dataclasses import dataclass

from cloudkon.errors import InvalidInput
from cloudkon.model.priority import Priority


@dataclass(frozen=True, slots=True)
class Pool:
    """A kind of worker. ``name`` is also its image's and its queue's."""

    name: str

    def queue_name(self, fleet: str, priority: Priority = Priority.NORMAL) -> str:
        """Its SQS queue of that priority in that fleet."""
        return f"{fleet}-{self.name}" if priority is Priority.NORMAL else f"{fleet}-{self.name}-{priority}"

    def dead_letter_name(self, fleet: str) -> str:
        """Its dead-letter queue in that fleet, of both its queues."""
        return f"{fleet}-{self.name}-dead"


WORKER = Pool("worker")
"""Runs any task."""
ANIMOTO = Pool("animoto")
"""Renders slideshow videos."""
POOLS = (WORKER, ANIMOTO)


def pool_named(name: str) -> Pool:
    """Find a pool by its name, or raise ``InvalidInput`` with the names there are."""
    for pool in POOLS:
        if pool.name == name:
            return pool
    raise InvalidInput(f"pool {name!r}", "there is no such pool", "Pools: " + ", ".join(p.name for p in POOLS))
