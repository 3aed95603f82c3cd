"""Alarms: those that AWS's own scaling makes for the fleet, and that carry none of its tags.

Application Auto Scaling has two for each policy that tracks a target, ECS two for the group. They go with the policy
and with the capacity provider, but not where Auto Scaling was told to delete the group by force before that; and each
costs its ten cents a month for ever.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cloudkon.errors import NoFleet

from .account_stacks import AccountStacks
from .names import compute_stack

AT_ONCE: Final = 100
"""Alarms that one ``DeleteAlarms`` takes (CloudWatch API reference)."""


def prefixes(fleet: str) -> tuple[str, str]:
    """How the names of the services' alarms and of the group's begin; CloudFormation names the group by its stack."""
    return f"TargetTracking-service/{fleet}/", f"TargetTracking-{compute_stack(fleet)}-Group-"


async def scaling_alarms(stacks: AccountStacks) -> list[str]:
    """The names of those there are, sorted."""
    found: list[str] = []
    for prefix in prefixes(stacks.fleet):
        rows = await stacks.control.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix)
        found += [row["AlarmName"] for row in rows]
    return sorted(found)


async def remove_alarms(stacks: AccountStacks) -> Sequence[str]:
    """Delete them, and say which. Only where what they belong to is gone."""
    found = await scaling_alarms(stacks)
    for first in range(0, len(found), AT_ONCE):
        # Gone meanwhile is as well: what CloudWatch says of a missing alarm comes as ``NoFleet``.
        with suppress(NoFleet):
            await stacks.control.call("cloudwatch", "delete_alarms", AlarmNames=found[first : first + AT_ONCE])
    return found
