"""Holds the objects that the stages of one worker's pipeline share."""

import random
from dataclasses import dataclass

from cloudkon.log import Log
from cloudkon.ports import Clock
from cloudkon.protocol import LedgerDriver, Terms
from cloudkon.settings import Settings

from ..queues.outputs import Outputs
from ..queues.queue_client import QueueClient
from ..queues.redelivery import Redelivery
from .cancellations import Cancellations
from .chunk_failures import ChunkFailures
from .inflight import InFlight
from .lost_claims import LostClaims
from .metrics import Metrics
from .ready_queue import ReadyQueue
from .task_durations import TaskDurations


@dataclass(frozen=True, slots=True)
class StageServices:
    """One of each, made by the worker; ``name`` is the worker's name, ``pool`` its pool's."""

    name: str
    pool: str
    settings: Settings
    terms: Terms
    clock: Clock
    rng: random.Random
    log: Log
    driver: LedgerDriver
    queue_client: QueueClient
    redelivery: Redelivery
    outputs: Outputs
    inflight: InFlight
    ready_queue: ReadyQueue
    durations: TaskDurations
    cancellations: Cancellations
    lost_claims: LostClaims
    failures: ChunkFailures
    metrics: Metrics | None
    """``None`` outside of ECS, where nothing reads them."""
