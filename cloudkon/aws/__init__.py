"""Implements the ports on AWS, or on an emulator of it. Only modules in this package import boto3.

Importing it takes a third of a second, so programs import it when they need a service, and not for ``--help``.
"""

from functools import partial

from cloudkon.aws.account import find_account, with_store
from cloudkon.aws.connection import Connection
from cloudkon.aws.ledger import DynamoLedger
from cloudkon.aws.queue import SqsQueue
from cloudkon.aws.store import S3Store
from cloudkon.aws.waker import EcsWaker
from cloudkon.log import Log
from cloudkon.model import POOLS, Priority
from cloudkon.ports import NullWaker, Services
from cloudkon.settings import Settings

__all__ = ["Connection", "connect"]


def connect(settings: Settings, log: Log | None = None, connection: Connection | None = None) -> Services:
    """Return the services of the fleet that the settings name.

    No call is made to the fleet yet, so a missing fleet raises ``NoFleet`` at the first use. On target aws the store's
    name depends on the account, so unless a bucket is set, this makes one blocking call to STS.

    Raises ``NoFleet`` if the target is local and no local fleet is up, ``InvalidSetting`` for an invalid endpoint or
    profile, and ``AccessDenied`` if STS refuses the credentials.
    """
    connection = connection or Connection(settings)
    on_aws = settings.target == "aws"
    if on_aws and not settings.bucket:
        settings = with_store(settings, find_account(connection))
    queue = partial(SqsQueue, connection)
    return Services(
        queues={pool.name: queue(pool.queue_name(settings.fleet)) for pool in POOLS},
        dead_letters={pool.name: queue(pool.dead_letter_name(settings.fleet)) for pool in POOLS},
        results=queue(settings.result_queue),
        ledger=DynamoLedger(connection, settings.ledger_table, log or Log()),
        store=S3Store(connection, settings.store_bucket),
        waker=EcsWaker(connection) if on_aws else NullWaker(),
        high_queues={pool.name: queue(pool.queue_name(settings.fleet, Priority.HIGH)) for pool in POOLS},
    )
