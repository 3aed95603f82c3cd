"""Finds and deletes the alarms that AWS's own scaling creates for the fleet without the fleet's tag.

Application Auto Scaling creates two for each target tracking policy, ECS two for the group. They are deleted with the
policy and the capacity provider, except if the group was force-deleted before. Each costs ten cents a month for ever.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cloudkon.errors import NoFleet

from .account_stacks import AccountStacks
from .names import compute_stack

MOST_PER_CALL: Final = 100
"""Alarms that one ``DeleteAlarms`` accepts (CloudWatch API reference)."""


def prefixes(fleet: str) -> tuple[str, str]:
    """Return the name prefixes of the services' alarms and the group's. CloudFormation names the group by its stack."""
    return f"TargetTracking-service/{fleet}/", f"TargetTracking-{compute_stack(fleet)}-Group-"


async def scaling_alarms(stacks: AccountStacks) -> list[str]:
    """Return the names of the existing alarms, sorted."""
    found: list[str] = []
    for prefix in prefixes(stacks.fleet):
        rows = await stacks.control.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix)
        found += [row["AlarmName"] for row in rows]
    return sorted(found)


async def remove_alarms(stacks: AccountStacks) -> Sequence[str]:
    """Delete the alarms and return their names. Only call it after their resources are gone."""
    found = await scaling_alarms(stacks)
    for first in range(0, len(found), MOST_PER_CALL):
        # CloudWatch's answer about a missing alarm is raised as ``NoFleet``: it was deleted meanwhile, which is fine.
        with suppress(NoFleet):
            await stacks.control.call("cloudwatch", "delete_alarms", AlarmNames=found[first : first + MOST_PER_CALL])
    return found
