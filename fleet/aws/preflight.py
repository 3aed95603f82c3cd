"""Checks what an account must have before a fleet is created: service-linked roles, a free name, vCPU quotas."""

import itertools
from collections.abc import Sequence
from typing import Final

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import AccessDenied, InvalidInput, ServiceError

from ..target import Report
from .resources.instance_types import InstanceType
from .resources.names import TAG

SERVICE_ROLES: Final = (
    "ecs.amazonaws.com",
    "autoscaling.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "spot.amazonaws.com",
)
"""Services that act for the fleet through a service-linked role. An account has the role from the first use on."""
STANDARD: Final = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})
"""Families of instance types that the two quotas below cover (EC2 User Guide, On-Demand Instance quotas)."""
ON_DEMAND_QUOTA: Final = "L-1216C47A"
"""vCPUs of running On-Demand standard instances (Service Quotas, Amazon EC2)."""
SPOT_QUOTA: Final = "L-34B43A08"
"""vCPUs of all standard Spot instance requests."""


async def ensure_service_roles(control: ControlPlane, report: Report) -> None:
    """Create the roles without which a first use of these services fails. They are never deleted."""
    for service in SERVICE_ROLES:
        try:
            await control.call("iam", "create_service_linked_role", AWSServiceName=service)
            report(f"created the service-linked role of {service}")
        except AccessDenied:
            report(f"not allowed to create the service-linked role of {service}: continuing, since it may exist")
        except ServiceError as error:
            if error.code != "InvalidInput" or "has been taken" not in str(error):
                raise


async def check_cluster(control: ControlPlane, fleet: str) -> None:
    """Refuse (``InvalidInput``) a fleet name that a foreign cluster has, such as ``default``.

    ``CreateCluster`` returns an existing cluster, and no document says what CloudFormation does with it. If the stack
    adopted the cluster, ``down`` would delete it.
    """
    answer = await control.call("ecs", "describe_clusters", clusters=[fleet], include=["TAGS"])
    for row in answer["clusters"]:
        ours = {"key": TAG, "value": fleet} in row.get("tags", ())
        if row["status"] != "INACTIVE" and not ours:
            raise InvalidInput(
                f"fleet {fleet!r}",
                "this account has an ECS cluster of that name which does not belong to the fleet",
                "Choose another name in CLOUDKON_FLEET",
            )


async def check_quotas(
    control: ControlPlane, instance_types: Sequence[InstanceType], count: int, *, spot: int, report: Report
) -> None:
    """Refuse (``InvalidInput``) a quota too small for one instance; warn if it is too small for ``count`` instances.

    ``spot`` is the percentage of Spot instances: at 100 no On-Demand quota is needed, at 0 no Spot quota.
    """
    families = {
        instance_type.name: "".join(itertools.takewhile(str.isalpha, instance_type.name))
        for instance_type in instance_types
    }
    if others := [name for name, family in families.items() if family not in STANDARD]:
        report(f"the standard EC2 quotas don't cover {', '.join(others)}: their quotas were not checked")
    counted = [instance_type.vcpus for instance_type in instance_types if instance_type.name not in others]
    if not counted:
        return
    largest = max(counted)
    kinds = [("On-Demand", ON_DEMAND_QUOTA, spot < 100), ("Spot", SPOT_QUOTA, spot > 0)]  # noqa: PLR2004  (percent)
    for kind, code, needed in kinds:
        quota = await _quota(control, code, report) if needed else None
        if quota is None:
            continue
        if quota < largest:
            raise InvalidInput(
                f"quota of {kind} vCPUs",
                f"it is {quota:.0f}, and one instance has {largest}",
                f"Request an increase in Service Quotas ({code}), or choose smaller --instance-types",
            )
        if quota < largest * count:
            report(
                f"warning: the quota of {kind} vCPUs is {quota:.0f}: it allows {int(quota // largest)} of the "
                f"{count} instances that --max-instances allows"
            )


async def _quota(control: ControlPlane, code: str, report: Report) -> float | None:
    try:
        answer = await control.call("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=code)
    except ServiceError as error:
        report(f"the EC2 quota {code} can't be read, continuing without it: {error}")
        return None
    return float(answer["Quota"]["Value"])
