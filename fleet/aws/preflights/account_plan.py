"""Refuses instance types that an account on AWS's free plan can't start."""

from collections.abc import Sequence
from typing import Final

from cloudkon.aws.account import Account
from cloudkon.errors import InvalidInput

from ..resources.instance_types import InstanceType
from .inquiry import Inquiry

ONLY_PARTITION: Final = "aws"
"""The Free Tier API has one endpoint, in us-east-1 (botocore's endpoint rules of ``freetier``)."""


async def check_account_plan(
    inquiry: Inquiry, account: Account, chosen: Sequence[InstanceType], architecture: str
) -> None:
    """Raise ``InvalidInput`` for a type that the free plan excludes, with those that it allows.

    New accounts may be on it for six months; EC2 then refuses other types with "The specified instance type is not
    eligible for Free Tier" (AWS Billing User Guide, Explore AWS services with AWS Free Tier).
    """
    others = [one.name for one in chosen if not one.free_tier]
    if not others or account.partition.name != ONLY_PARTITION:
        return
    plan = await inquiry.call("freetier", "get_account_plan_state")
    if plan is None or plan.get("accountPlanType") != "FREE":
        return
    allowed = ", ".join(await free_tier_types(inquiry, architecture)) or "those that EC2 marks as free-tier eligible"
    raise InvalidInput(
        "instance types",
        f"this account is on AWS's free plan, on which {', '.join(others)} can't start",
        f"Give --instance-types of {allowed}; or upgrade the account to the paid plan",
    )


async def free_tier_types(inquiry: Inquiry, architecture: str = "") -> list[str]:
    """Return the names of the types that the free plan allows in this region, those with the most memory first."""
    filters = [{"Name": "free-tier-eligible", "Values": ["true"]}]
    if architecture:
        filters.append({"Name": "processor-info.supported-architecture", "Values": [architecture]})
    rows = await inquiry.pages("ec2", "describe_instance_types", "InstanceTypes", Filters=filters)
    sizes = {str(row["InstanceType"]): int(row["MemoryInfo"]["SizeInMiB"]) for row in rows or ()}
    return sorted(sizes, key=lambda name: (-sizes[name], name))
