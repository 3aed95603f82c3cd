"""Lists what is left of a fleet on AWS. It searches by the fleet's tag, so it also finds what belongs to no stack.

The tagging service knows most resources, but its lists lag. It lists no Auto Scaling groups at all (Resource Groups
Tagging API reference, supported services), and the resources that AWS creates for the fleet carry no tag. These are
queried from their own services.
"""

import re
from typing import Final

import trio

from .resources.account_stacks import AccountStacks
from .resources.alarms import scaling_alarms
from .resources.auto_scaling_group import find_group, find_instances
from .resources.insights import insights_groups
from .resources.names import TAG

LISTED_SECONDS: Final = 180.0
"""How long a deleted resource may still be listed before it counts as left."""
POLL_SECONDS: Final = 10.0
DATA_SERVICES: Final = frozenset({"sqs", "dynamodb", "s3"})
"""Services that hold a fleet's data. The data stays unless its deletion was requested."""
FREE_RESOURCES: Final = ("task-definition/", "task/", "container-instance/")
"""ECS lists these for a while, or for ever, after they have ended. They cost nothing and can't run by themselves.

ECS may list everything in a deleted cluster as INACTIVE (ECS API reference, DeleteCluster and others).
"""


async def audit(stacks: AccountStacks, *, with_data: bool) -> list[str]:
    """Return what is left once the lists have caught up: ARNs, ids or names. ``with_data`` includes the data."""
    deadline = trio.current_time() + LISTED_SECONDS
    while True:
        left = await _left(stacks, with_data=with_data)
        if not left or trio.current_time() >= deadline:
            return left
        await trio.sleep(POLL_SECONDS)


async def _left(stacks: AccountStacks, *, with_data: bool) -> list[str]:
    rows = await stacks.control.pages(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        TagFilters=[{"Key": TAG, "Values": [stacks.fleet]}],
    )
    existing, exists = await _existing(stacks), await _cluster_exists(stacks)
    arns = {str(row["ResourceARN"]) for row in rows}
    costly = {arn for arn in arns if not is_free(arn, existing, cluster_exists=exists)}
    kept = {arn for arn in costly if with_data or not is_data(arn, stacks.data().name)}
    listed = {re.split("[/:]", arn)[-1] for arn in kept}
    unlisted = [identity for identity in existing if identity not in listed]
    # A log group's name contains slashes. If it is listed, the stack created it.
    unlisted += [name for name in await _untagged(stacks) if not any(arn.endswith(f":{name}") for arn in kept)]
    return sorted([*kept, *unlisted])


async def _untagged(stacks: AccountStacks) -> list[str]:
    """Return what the tagging service never lists: the group, and what AWS created for the fleet on its own."""
    group = await find_group(stacks.control, stacks.fleet)
    own = [f"autoScalingGroup {group.name}"] if group else []
    alarms = [f"alarm {name}" for name in await scaling_alarms(stacks)]
    return [*own, *alarms, *await insights_groups(stacks)]


async def _existing(stacks: AccountStacks) -> set[str]:
    """Return the ids of the fleet's existing instances and volumes. Tags stay listed for an hour after deletion."""
    instances = {one.id for one in await find_instances(stacks.control, stacks.fleet)}
    filters = [{"Name": f"tag:{TAG}", "Values": [stacks.fleet]}]
    volumes = await stacks.control.pages("ec2", "describe_volumes", "Volumes", Filters=filters)
    return instances | {row["VolumeId"] for row in volumes if row["State"] not in ("deleting", "deleted")}


async def _cluster_exists(stacks: AccountStacks) -> bool:
    answer = await stacks.control.call("ecs", "describe_clusters", clusters=[stacks.fleet])
    return any(one["status"] != "INACTIVE" for one in answer["clusters"])


def is_data(arn: str, data_stack: str) -> bool:
    """Whether the resource holds the fleet's data or is the data stack."""
    return arn.split(":")[2] in DATA_SERVICES or f":stack/{data_stack}/" in arn


def is_free(arn: str, existing: set[str], *, cluster_exists: bool) -> bool:
    """Whether the listed resource is gone or costs nothing. ``existing``: ids of existing instances and volumes."""
    _, _, service, _, _, what = arn.split(":", 5)
    if service == "ecs":
        return not cluster_exists or what.startswith(FREE_RESOURCES)
    if service == "ec2" and what.startswith(("instance/", "volume/")):
        return what.partition("/")[2] not in existing
    return False
