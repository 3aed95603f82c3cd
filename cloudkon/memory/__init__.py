"""Adapters in memory: one process's own fleet, for the local back end and for tests. They pass the contract suite."""

from cloudkon.memory.ledger import MemoryLedger
from cloudkon.memory.queue import MemoryQueue
from cloudkon.memory.store import MemoryStore
from cloudkon.model import POOLS
from cloudkon.ports import Services

__all__ = ["MemoryLedger", "MemoryQueue", "MemoryStore", "memory_services"]


def memory_services() -> Services:
    """A fleet that is empty, lives in this process and ends with it."""
    return Services(
        queues={pool.name: MemoryQueue() for pool in POOLS},
        dead_letters={pool.name: MemoryQueue() for pool in POOLS},
        results=MemoryQueue(),
        ledger=MemoryLedger(),
        store=MemoryStore(),
        high_queues={pool.name: MemoryQueue() for pool in POOLS},
    )
