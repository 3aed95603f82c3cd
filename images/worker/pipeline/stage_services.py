"""Kit: what the stages of one worker's pipeline share."""

import random
from dataclasses import dataclass

from cloudkon.log import Log
from cloudkon.ports import Clock
from cloudkon.protocol import Registrar, Terms
from cloudkon.settings import Settings
from images.worker.pipeline.cancellations import Flags
from images.worker.pipeline.inflight import Custody
from images.worker.pipeline.metrics import Metrics
from images.worker.pipeline.ready_queue import Agenda
from images.worker.queues.outputs import Outputs
from images.worker.queues.queue_client import Mailbox


@dataclass(frozen=True, slots=True)
class Kit:
    """One of each, made by the worker; ``name`` is the worker's own."""

    name: str
    settings: Settings
    terms: Terms
    clock: Clock
    rng: random.Random
    log: Log
    registrar: Registrar
    mailbox: Mailbox
    outputs: Outputs
    custody: Custody
    agenda: Agenda
    flags: Flags
    metrics: Metrics | None
    """Where somebody reads them: on ECS."""
