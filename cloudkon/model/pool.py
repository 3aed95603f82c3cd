"""Defines the pools: each is an image with two queues, a dead-letter queue and an ECS service."""

from dataclasses import dataclass

from cloudkon.errors import InvalidInput
from cloudkon.model.priority import Priority


@dataclass(frozen=True, slots=True)
class Pool:
    """A kind of worker. Its ``name`` is also part of the names of its image, queues and service."""

    name: str

    def queue_name(self, fleet: str, priority: Priority = Priority.NORMAL) -> str:
        """The name of its SQS queue of that priority, in that fleet."""
        return f"{fleet}-{self.name}" if priority is Priority.NORMAL else f"{fleet}-{self.name}-{priority}"

    def dead_letter_name(self, fleet: str) -> str:
        """The name of its dead-letter queue in that fleet, which serves both its queues."""
        return f"{fleet}-{self.name}-dead"


WORKER = Pool("worker")
"""Runs any task."""
ANIMOTO = Pool("animoto")
"""Renders slideshow videos."""
POOLS = (WORKER, ANIMOTO)


def pool_named(name: str) -> Pool:
    """Return the pool of that name, or raise ``InvalidInput`` that lists the names."""
    for pool in POOLS:
        if pool.name == name:
            return pool
    raise InvalidInput(f"pool {name!r}", "there is no such pool", "Pools: " + ", ".join(p.name for p in POOLS))
