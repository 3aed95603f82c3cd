"""Provisioning: makes a fleet's queues, ledger table and store, or brings them up to date, through CloudFormation.

The same template and the same calls serve AWS, LocalStack and the embedded emulator.
"""

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from cloudkon.aws import connect
from cloudkon.aws.connection import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import StackPlan
from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import NoFleet, ServiceError
from cloudkon.ports import Store
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
    await stack.execute(await data_plan(stack, settings), report)
    await check_data(connection, settings)


async def data_plan(
    stack: Stack, settings: Settings, *, keep: Collection[str] = (), tags: Mapping[str, str] | None = None
) -> StackPlan:
    """Work out what the data stack needs, as ``Stack.plan`` does."""
    return await stack.plan(TEMPLATE.read_text(encoding="utf-8"), parameters(settings), keep=keep, tags=tags)


async def check_data(connection: Connection, settings: Settings) -> None:
    """Mend what a complete stack may lack, and name what of it was deleted by hand (``ServiceError``)."""
    await _turn_on_expiry(connection, settings.ledger_table)
    await _check_services(connection, settings)


async def _turn_on_expiry(connection: Connection, table: str) -> None:
    """Make sure that old ledger items expire.

    The embedded emulator's CloudFormation takes ``TimeToLiveSpecification`` and leaves TTL disabled. On AWS this
    finds it enabled, at the cost of one read.
    """
    control = ControlPlane(connection)
    answer = await control.call("dynamodb", "describe_time_to_live", TableName=table)
    if answer["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
        wanted = {"Enabled": True, "AttributeName": EXPIRY_ATTRIBUTE}
        await control.call("dynamodb", "update_time_to_live", TableName=table, TimeToLiveSpecification=wanted)


async def _look_into(store: Store) -> None:
    async for _ in store.list("no-key-begins-with-this/"):
        pass


async def _check_services(connection: Connection, settings: Settings) -> None:
    """Ask each queue and the store for something: CloudFormation does not notice what was deleted behind its back."""
    services = connect(settings, connection=connection)
    try:
        queues = (services.queues, services.high_queues, services.dead_letters)
        for queue in [*(queue for some in queues for queue in some.values()), services.results]:
            await persist(queue.depth, BRIEF)
        await persist(partial(_look_into, services.store), BRIEF)
    except NoFleet as missing:
        raise ServiceError(
            f"stack {stack_name(settings)!r} is complete, yet something of it was deleted by hand: {missing.reason}. "
            "Take the fleet down with its data and bring it up again: python -m fleet down --delete-data"
        ) from missing
