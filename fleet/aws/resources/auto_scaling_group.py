"""Reads and changes the fleet's Auto Scaling group and its instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import ServiceError

from ...target import Report
from .names import TAG

MOST_PER_CALL: Final = 50
"""Instances that one ``SetInstanceProtection`` accepts (Auto Scaling API reference)."""
PROTECTABLE: Final = ("InService", "EnteringStandby", "Standby")
"""Lifecycle states in which protection can be changed. One instance in another state fails the whole call."""

REBALANCING: Final = "AZRebalance"
"""The group's process that balances its instances across zones."""


@dataclass(frozen=True, slots=True)
class GroupInstance:
    """An instance as its group sees it; ``lifecycle`` is Auto Scaling's lifecycle state."""

    id: str
    lifecycle: str
    type: str
    protected: bool

    @property
    def in_service(self) -> bool:
        """Whether the instance runs and is not about to terminate."""
        return self.lifecycle == "InService"


@dataclass(frozen=True, slots=True)
class AutoScalingGroup:
    """The group, with ``desired`` instances and at most ``most``. ``suspended``: its suspended processes."""

    name: str
    desired: int
    most: int
    protects_new: bool
    instances: tuple[GroupInstance, ...] = ()
    deleting: bool = False
    suspended: frozenset[str] = frozenset()

    @classmethod
    def from_answer(cls, row: Mapping[str, Any]) -> Self:
        """Parse a row of Auto Scaling's answer."""
        return cls(
            row["AutoScalingGroupName"],
            row["DesiredCapacity"],
            row["MaxSize"],
            bool(row.get("NewInstancesProtectedFromScaleIn")),
            tuple(
                GroupInstance(
                    one["InstanceId"], one["LifecycleState"], one.get("InstanceType", ""), one["ProtectedFromScaleIn"]
                )
                for one in row.get("Instances", ())
            ),
            # A group has a ``Status`` only while it is being deleted.
            deleting=bool(row.get("Status")),
            suspended=frozenset(one["ProcessName"] for one in row.get("SuspendedProcesses", ())),
        )


@dataclass(frozen=True, slots=True)
class Ec2Instance:
    """An instance as EC2 sees it; ``launched`` in epoch seconds."""

    id: str
    type: str
    state: str
    launched: float
    zone: str = ""
    spot: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


async def find_group(control: ControlPlane, fleet: str) -> AutoScalingGroup | None:
    """Find the fleet's group by its tag, whatever state the stack is in. Return ``None`` if there is no group."""
    rows = await control.pages(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        Filters=[{"Name": f"tag:{TAG}", "Values": [fleet]}],
    )
    return AutoScalingGroup.from_answer(rows[0]) if rows else None


async def find_instances(control: ControlPlane, fleet: str) -> list[Ec2Instance]:
    """Return the fleet's instances that are not terminated, found by their tag."""
    rows = await control.pages(
        "ec2",
        "describe_instances",
        "Reservations",
        Filters=[
            {"Name": f"tag:{TAG}", "Values": [fleet]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped", "shutting-down"]},
        ],
    )
    return [
        Ec2Instance(
            one["InstanceId"],
            one["InstanceType"],
            one["State"]["Name"],
            one["LaunchTime"].timestamp(),
            one.get("Placement", {}).get("AvailabilityZone", ""),
            one.get("InstanceLifecycle") == "spot",
        )
        for row in rows
        for one in row["Instances"]
    ]


async def restore_group_settings(control: ControlPlane, fleet: str, report: Report) -> None:
    """Restore settings of the group that no template can express, or whose drift no change set detects.

    An interrupted ``down`` leaves new instances without protection from scale-in, which the capacity provider's managed
    termination protection depends on. And zone rebalancing must be off: for it, Auto Scaling may exceed the group's
    maximum by 10 % or one instance (its user guide, Availability Zone rebalancing), to terminate an instance that ECS
    has packed with work.
    """
    group = await find_group(control, fleet)
    if group is None or group.deleting:
        return
    if not group.protects_new:
        report(f"{group.name}: protecting new instances from scale-in again")
        await change_group(control, group, NewInstancesProtectedFromScaleIn=True)
    if REBALANCING not in group.suspended:
        await control.call(
            "autoscaling", "suspend_processes", AutoScalingGroupName=group.name, ScalingProcesses=[REBALANCING]
        )


async def change_group(control: ControlPlane, group: AutoScalingGroup, **changes: object) -> None:
    """Change properties of the group, named as in the Auto Scaling API."""
    await control.call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName=group.name, **changes)


async def unprotect(control: ControlPlane, group: AutoScalingGroup) -> bool:
    """Remove scale-in protection from instances that can lose it now. Return whether any was protected.

    An instance that begins to terminate meanwhile fails the call for its whole batch. The next poll tries again.
    """
    protected = [one.id for one in group.instances if one.protected and one.lifecycle in PROTECTABLE]
    for first in range(0, len(protected), MOST_PER_CALL):
        try:
            await control.call(
                "autoscaling",
                "set_instance_protection",
                AutoScalingGroupName=group.name,
                InstanceIds=protected[first : first + MOST_PER_CALL],
                ProtectedFromScaleIn=False,
            )
        except ServiceError as error:
            if error.code != "ValidationError":
                raise
    return bool(protected)


async def failed_launches(control: ControlPlane, group: AutoScalingGroup, since: float) -> Mapping[str, str]:
    """Return why launches failed since ``since`` (epoch seconds), in AWS's words: by activity, newest first."""
    answer = await control.call(
        "autoscaling", "describe_scaling_activities", AutoScalingGroupName=group.name, MaxRecords=20
    )
    return {
        str(one["ActivityId"]): str(one.get("StatusMessage") or one.get("Description", ""))
        for one in answer["Activities"]
        if one["StatusCode"] in ("Failed", "Cancelled") and one["StartTime"].timestamp() >= since
    }
