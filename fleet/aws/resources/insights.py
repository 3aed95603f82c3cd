"""Deletes the log group of Container Insights, which a late metric may create again.

The stack owns the group, so that it is deleted with the stack. Metrics written after that create a group without tags.
It costs a little for ever, and the stack's next creation would fail on it.
"""

from contextlib import suppress
from typing import Final

import trio

from cloudkon.errors import NoFleet

from .account_stacks import AccountStacks
from .names import insights_group

LATE_SECONDS: Final = 90.0
"""How long metrics may arrive after a cluster's deletion: they are written every minute."""


async def remove_late_insights(stacks: AccountStacks) -> None:
    """Wait for late metrics, then delete the group that they created."""
    await trio.sleep(LATE_SECONDS)
    await remove_insights(stacks)


async def remove_insights(stacks: AccountStacks) -> None:
    """Delete the group, if it exists. Only call it when no stack owns the group."""
    for name in await insights_groups(stacks):
        # ``NoFleet`` is CloudWatch Logs' answer about a missing group: it was deleted meanwhile, which is fine.
        with suppress(NoFleet):
            await stacks.control.call("logs", "delete_log_group", logGroupName=name)


async def insights_groups(stacks: AccountStacks) -> list[str]:
    """Return the group's name in a list, or an empty list if it does not exist."""
    name = insights_group(stacks.fleet)
    rows = await stacks.control.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return [name for row in rows if row["logGroupName"] == name]
