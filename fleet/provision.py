"""Provisioning: makes a fleet's queues, ledger table and store, or brings them up to date, through CloudFormation.

The same template and the same calls serve AWS, LocalStack and the embedded emulator.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloudkon.aws import connect
from cloudkon.aws.connection import Connection
from cloudkon.aws.stack import Stack
from cloudkon.errors import NoFleet, ServiceError
from cloudkon.settings import Settings

TEMPLATE = Path(__file__).parent / "templates" / "data.yaml"
"""Queues with their dead-letter queues, table and bucket."""
EXPIRY_ATTRIBUTE = "expires"
"""The ledger's attribute that holds an item's TTL, in epoch seconds."""


def stack_name(settings: Settings) -> str:
    """The data stack of a fleet."""
    return f"{settings.fleet}-data"


def parameters(settings: Settings) -> dict[str, str]:
    """The template's parameters for these settings; visibility in whole seconds, as SQS wants it."""
    return {
        "Fleet": settings.fleet,
        "BucketName": settings.store_bucket,
        "VisibilitySeconds": str(math.ceil(settings.visibility_seconds)),
    }


async def provision(settings: Settings, report: Callable[[str], None]) -> None:
    """Make what is missing and change what differs; nothing where all is as it should be.

    Raises ``ServiceError`` (or a kind of it) that says what failed.
    """
    connection = Connection(settings)
    stack = Stack(connection, stack_name(settings))
    plan = await stack.plan(TEMPLATE.read_text(encoding="utf-8"), parameters(settings))
    await stack.execute(plan, report)
    await _turn_on_expiry(connection, settings.ledger_table)
    await _check_services(settings)


async def _turn_on_expiry(connection: Connection, table: str) -> None:
    """Make sure that old ledger items expire.

    The embedded emulator's CloudFormation takes ``TimeToLiveSpecification`` and leaves TTL disabled. On AWS this
    finds it enabled, at the cost of one read.
    """
    dynamodb: Any = connection.client("dynamodb")
    answer: Any = await connection.call(dynamodb.describe_time_to_live, TableName=table)
    if answer["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
        wanted = {"Enabled": True, "AttributeName": EXPIRY_ATTRIBUTE}
        await connection.call(dynamodb.update_time_to_live, TableName=table, TimeToLiveSpecification=wanted)


async def _check_services(settings: Settings) -> None:
    """Ask each queue and the store for something: CloudFormation does not notice what was deleted behind its back."""
    services = connect(settings)
    try:
        for queue in [*services.queues.values(), *services.dead_letters.values(), services.results]:
            await queue.depth()
        async for _ in services.store.list("no-key-begins-with-this/"):
            pass
    except NoFleet as missing:
        raise ServiceError(
            f"stack {stack_name(settings)!r} is complete, yet something of it was deleted by hand: {missing.reason}. "
            "Take the fleet down with its data and bring it up again: python -m fleet down --delete-data"
        ) from missing
