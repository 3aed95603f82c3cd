"""Services: everything a program needs of one fleet, whichever adapters stand behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloudkon.ports.ledger import Ledger
from cloudkon.ports.queue import Queue
from cloudkon.ports.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """One fleet's queues (by pool name), result queue, ledger and store."""

    queues: Mapping[str, Queue]
    dead_letters: Mapping[str, Queue]
    results: Queue
    ledger: Ledger
    store: Store
