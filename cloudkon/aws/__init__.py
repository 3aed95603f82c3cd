"""Adapters on AWS, or on what speaks its protocols. Only modules in here import boto3.

Importing this takes a third of a second, so programs do it when they need a service and not for ``--help``.
"""

from functools import partial

from cloudkon.aws.connection import Connection
from cloudkon.aws.ledger import DynamoLedger
from cloudkon.aws.queue import SqsQueue
from cloudkon.aws.store import S3Store
from cloudkon.log import Log
from cloudkon.ports import Services
from cloudkon.settings import Settings
from cloudkon.words import POOLS

__all__ = ["Connection", "connect"]


def connect(settings: Settings, log: Log | None = None) -> Services:
    """Give the fleet that the settings name. Nothing is asked of AWS yet, so a missing fleet shows at first use.

    Raises ``NoFleet`` if the target is local and no fleet is up here, ``InvalidSetting`` for an endpoint or a profile
    that can't be used.
    """
    connection = Connection(settings)
    queue = partial(SqsQueue, connection)
    return Services(
        queues={pool.name: queue(pool.queue_name(settings.fleet)) for pool in POOLS},
        dead_letters={pool.name: queue(pool.dead_letter_name(settings.fleet)) for pool in POOLS},
        results=queue(settings.result_queue),
        ledger=DynamoLedger(connection, settings.ledger_table, log or Log()),
        store=S3Store(connection, settings.store_bucket),
    )
