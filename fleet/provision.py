"""Makes or updates a fleet's queues, ledger table and store, through CloudFormation.

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
from cloudkon.programs import command
from cloudkon.settings import Settings

TEMPLATE = Path(__file__).parent / "templates" / "data.yaml"
"""Queues with their dead-letter queues, table and bucket."""
OPTIONS = frozenset({"WarmWrites", "PointInTimeRecovery", "Versioning"})
"""Parameters that keep the stack's value, or get the default, unless they are chosen (target aws)."""
EXPIRY_ATTRIBUTE = "expires"
"""The ledger's attribute that holds an item's TTL, in epoch seconds."""


def stack_name(settings: Settings) -> str:
    """Return the name of a fleet's data stack."""
    return f"{settings.fleet}-data"


def parameters(settings: Settings) -> dict[str, str]:
    """Return the template's parameters for these settings; visibility is in whole seconds, as SQS requires."""
    return {
        "Fleet": settings.fleet,
        "BucketName": settings.store_bucket,
        "VisibilitySeconds": str(math.ceil(settings.visibility_seconds)),
    }


async def provision(settings: Settings, report: Callable[[str], None]) -> None:
    """Make what is missing and change what differs.

    Raises ``ServiceError`` or a subclass, which says what failed.
    """
    connection = Connection(settings)
    stack = Stack(connection, stack_name(settings))
    await stack.execute(await data_plan(stack, settings), report)
    await check_data(connection, settings)


async def data_plan(
    stack: Stack,
    settings: Settings,
    *,
    chosen: Mapping[str, str] | None = None,
    keep: Collection[str] = (),
    tags: Mapping[str, str] | None = None,
) -> StackPlan:
    """Return the changes that the data stack needs, as ``Stack.plan`` does. ``chosen`` are values of ``OPTIONS``."""
    given = {**parameters(settings), **(chosen or {})}
    kept = {*keep, *(OPTIONS - given.keys())}
    return await stack.plan(TEMPLATE.read_text(encoding="utf-8"), given, keep=kept, tags=tags)


async def check_data(connection: Connection, settings: Settings) -> None:
    """Enable expiry where a complete stack lacks it. Raises ``ServiceError`` for a resource deleted by hand."""
    await _enable_expiry(connection, settings.ledger_table)
    await _check_services(connection, settings)


async def _enable_expiry(connection: Connection, table: str) -> None:
    """Make sure that old ledger items expire.

    The embedded emulator's CloudFormation accepts ``TimeToLiveSpecification`` but leaves TTL disabled. On AWS it is
    enabled already, and the check costs one read.
    """
    control = ControlPlane(connection)
    answer = await control.call("dynamodb", "describe_time_to_live", TableName=table)
    if answer["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
        enabled = {"Enabled": True, "AttributeName": EXPIRY_ATTRIBUTE}
        await control.call("dynamodb", "update_time_to_live", TableName=table, TimeToLiveSpecification=enabled)


async def _list_nothing(store: Store) -> None:
    async for _ in store.list("no-key-begins-with-this/"):
        pass


async def _check_services(connection: Connection, settings: Settings) -> None:
    """Call each queue and the store: CloudFormation does not notice resources that were deleted by hand."""
    services = connect(settings, connection=connection)
    try:
        queues = (services.queues, services.high_queues, services.dead_letters)
        for queue in [*(queue for some in queues for queue in some.values()), services.results]:
            await persist(queue.depth, BRIEF)
        await persist(partial(_list_nothing, services.store), BRIEF)
    except NoFleet as missing:
        raise ServiceError(
            f"stack {stack_name(settings)!r} is complete, but a resource of it was deleted by hand: {missing.reason}. "
            f"Take the fleet down with its data and start it again: {command('fleet down --delete-data')}"
        ) from missing
