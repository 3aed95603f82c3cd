"""Declares the ports: the interfaces to queues, ledger, store, clock and waker that all programs use.

Their adapters are in ``cloudkon.aws`` and ``cloudkon.memory``. All ports are asynchronous (trio): everything that waits
must be cancellable, and testable under a virtual clock.
"""

from cloudkon.ports.clock import Clock, TrioClock
from cloudkon.ports.ledger import Insert, Ledger, Page, Read, Request, SummaryPage, Update, Write, WriteOutcome
from cloudkon.ports.queue import BATCH, Queue, QueueOutcome
from cloudkon.ports.services import Services
from cloudkon.ports.store import Store, StoredObject
from cloudkon.ports.waker import NullWaker, Waker

__all__ = [
    "BATCH",
    "Clock",
    "Insert",
    "Ledger",
    "NullWaker",
    "Page",
    "Queue",
    "QueueOutcome",
    "Read",
    "Request",
    "Services",
    "Store",
    "StoredObject",
    "SummaryPage",
    "TrioClock",
    "Update",
    "Waker",
    "Write",
    "WriteOutcome",
]
