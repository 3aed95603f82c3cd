"""Insights: the log group that Container Insights writes to, and makes anew where a late writer finds none.

The stack owns it, to have it deleted. What is written after that makes one without tags, which costs a little for
ever, and which the next creation of the stack would stumble over.
"""

from contextlib import suppress
from typing import Final

import trio

from cloudkon.errors import NoFleet

from .account_stacks import AccountStacks
from .names import insights_group

LATE_SECONDS: Final = 90.0
"""How long after a cluster's end something may still be written of it: metrics are made each minute."""


async def remove_late_insights(stacks: AccountStacks) -> None:
    """Wait for what is written late, and delete the group that it made."""
    await trio.sleep(LATE_SECONDS)
    await remove_insights(stacks)


async def remove_insights(stacks: AccountStacks) -> None:
    """Delete the group, if there is one. Only where no stack owns it."""
    for name in await insights_groups(stacks):
        # Gone meanwhile is as well: what CloudWatch Logs says of a missing group comes as ``NoFleet``.
        with suppress(NoFleet):
            await stacks.control.call("logs", "delete_log_group", logGroupName=name)


async def insights_groups(stacks: AccountStacks) -> list[str]:
    """The group's name, if there is one."""
    name = insights_group(stacks.fleet)
    rows = await stacks.control.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return [name for row in rows if row["logGroupName"] == name]
