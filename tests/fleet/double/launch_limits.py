"""Decides whether EC2 refuses a launch of an Auto Scaling group, and in which words AWS reports it."""

from typing import TYPE_CHECKING, Final

from tests.fleet.double.instance import InstanceType

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

QUOTAS: Final = {False: "L-1216C47A", True: "L-34B43A08"}
"""The vCPU quota of On-Demand and of Spot instances, by whether the instance is Spot."""
Refusal = tuple[str, str]
"""The status of the scaling activity, and its message."""


def launch_refusal(account: "Account", kind: InstanceType, *, spot: bool) -> Refusal | None:
    """Return why an instance can't start; ``None`` if it can."""
    if not account.autoscaling.capacity:
        return "Failed", (
            f"We currently do not have sufficient {kind.name} capacity in the Availability Zone you requested. "
            "Launching EC2 instance failed."
        )
    if account.freetier.plan == "FREE" and not kind.free_tier:
        return "Failed", (
            "InvalidParameterCombination - The specified instance type is not eligible for Free Tier. For a list of "
            "Free Tier instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'. "
            "Launching EC2 instance failed."
        )
    # Instances that end still count here: EC2's list of them is late.
    used = sum(
        one.kind.cpus for one in account.ec2.instances.values() if one.spot == spot and one.state != "terminated"
    )
    quota = account.service_quotas.value(QUOTAS[spot])
    if used + kind.cpus > quota:
        over = "MaxSpotInstanceCountExceeded - Max spot instance count exceeded."
        if not spot:
            over = (
                "VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of "
                f"{quota:.0f} allows for the instance bucket that the specified instance type belongs to."
            )
        return "Failed", f"{over} Launching EC2 instance failed."
    if not account.ec2.default_key.endswith("alias/aws/ebs") and not account.ec2.key_lets_auto_scaling:
        return "Cancelled", (
            "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: "
            "Client.InternalError: Client error on launch"
        )
    return None
