"""Implements the ports in memory, for ``python -m images.worker --local`` and for tests.

These adapters pass the same contract suite as those on AWS.
"""

from cloudkon.memory.ledger import MemoryLedger
from cloudkon.memory.queue import MemoryQueue
from cloudkon.memory.store import MemoryStore
from cloudkon.model import POOLS
from cloudkon.ports import Services

__all__ = ["MemoryLedger", "MemoryQueue", "MemoryStore", "memory_services"]


def memory_services() -> Services:
    """Make an empty fleet, which exists in this process only."""
    return Services(
        queues={pool.name: MemoryQueue() for pool in POOLS},
        dead_letters={pool.name: MemoryQueue() for pool in POOLS},
        results=MemoryQueue(),
        ledger=MemoryLedger(),
        store=MemoryStore(),
        high_queues={pool.name: MemoryQueue() for pool in POOLS},
    )
