"""Implements the Auto Scaling API over groups, with the errors it returns."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.auto_scaling_group import POLL_SECONDS, AutoScalingGroup
from tests.fleet.double.filters import filtered
from tests.fleet.double.resource_table import ResourceTable
from tests.fleet.double.tags import as_dict

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
PROCESSES = frozenset(
    {"AZRebalance", "AlarmNotification", "HealthCheck", "Launch", "ReplaceUnhealthy", "ScheduledActions", "Terminate"}
)
SEEN_AFTER = 2.0
"""Seconds until a reader sees a new group."""


class AutoScaling:
    """``capacity``: whether EC2 has capacity; ``agents``: whether instances register with their cluster.

    An instance is InService ``boot_seconds`` after its launch.
    """

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.capacity = True
        self.agents = True
        self.boot_seconds = 45.0
        self.groups: ResourceTable[AutoScalingGroup] = ResourceTable(
            account.timeline, lambda name: _invalid(f"AutoScalingGroup name not found - {name}"), SEEN_AFTER
        )

    def create(self, properties: Document) -> AutoScalingGroup:
        name = properties["AutoScalingGroupName"]
        minimum, maximum = int(properties["MinSize"]), int(properties["MaxSize"])
        desired = int(properties.get("DesiredCapacity", minimum))
        if name in self.groups:
            raise ApiError("AlreadyExists", f"AutoScalingGroup by this name already exists - {name}")
        _check_bounds(minimum, maximum, desired)
        arn = self._account.arn("autoscaling", f"autoScalingGroup:double:autoScalingGroupName/{name}")
        made = AutoScalingGroup(self._account, properties, minimum, maximum, desired, arn)
        made.check_profile()
        self._account.tags.put(arn, as_dict(properties.get("Tags", [])))
        self._account.timeline.every(POLL_SECONDS, lambda: self._reconcile(made), lambda: not made.gone)
        return self.groups.add(name, made)

    def _reconcile(self, group: AutoScalingGroup) -> None:
        group.reconcile()
        if group.gone:
            self.groups.remove(group.name)
            self._account.tags.remove(group.arn)

    def describe_auto_scaling_groups(self, request: Document) -> Document:
        wanted = request.get("AutoScalingGroupNames")
        found = [_described(one) for one in self.groups.seen() if not wanted or one.name in wanted]
        return {"AutoScalingGroups": filtered(found, request, {})}

    def describe_scaling_activities(self, request: Document) -> Document:
        if "AutoScalingGroupName" not in request:
            return {"Activities": [each for one in self.groups for each in one.activities]}
        found = self.groups.get(request["AutoScalingGroupName"]).activities
        return {"Activities": found[: request.get("MaxRecords", 100)]}

    def update_auto_scaling_group(self, request: Document) -> Document:
        group = self._usable(request["AutoScalingGroupName"])
        minimum = request.get("MinSize", group.minimum)
        maximum = request.get("MaxSize", group.maximum)
        desired = request.get("DesiredCapacity", min(max(group.desired, minimum), maximum))
        _check_bounds(minimum, maximum, desired)
        group.minimum, group.maximum, group.desired = minimum, maximum, desired
        own = ("AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity")
        changed = {key: value for key, value in request.items() if key not in own}
        group.properties = group.properties | changed
        return {}

    def set_instance_protection(self, request: Document) -> Document:
        group = self._usable(request["AutoScalingGroupName"])
        chosen = {one.name: one for one in group.instances}
        if not 0 < len(request["InstanceIds"]) <= 50:
            raise _invalid("1 to 50 instance ids are expected")
        for name in request["InstanceIds"]:
            if name not in chosen:
                raise _invalid(f"The instance {name} is not part of Auto Scaling group {group.name}.")
            if chosen[name].lifecycle != "InService":
                raise _invalid(f"The instance {name} is not in InService or EnteringStandby or Standby.")
        for name in request["InstanceIds"]:
            chosen[name].protected = request["ProtectedFromScaleIn"]
        return {}

    def suspend_processes(self, request: Document) -> Document:
        group = self._usable(request["AutoScalingGroupName"])
        if unknown := set(request["ScalingProcesses"]) - PROCESSES:
            raise _invalid(f"Unsupported process: {sorted(unknown)}")
        group.suspended |= set(request["ScalingProcesses"])
        return {}

    def terminate_instance_in_auto_scaling_group(self, request: Document) -> Document:
        name, lower = request["InstanceId"], request["ShouldDecrementDesiredCapacity"]
        group = next((one for one in self.groups if any(each.name == name for each in one.instances)), None)
        if group is None:
            raise _invalid(f"Instance Id not found - {name}")
        one = next(each for each in group.instances if each.name == name)
        if one.leaving:
            raise ApiError("ScalingActivityInProgress", f"Instance {name} is already terminating")
        if lower and group.desired <= group.minimum:
            raise _invalid(
                "Currently, desiredSize equals minSize. Terminating instance without replacement will violate"
            )
        if lower:
            group.desired -= 1
        group.terminate(one)
        return {}

    def delete_auto_scaling_group(self, request: Document) -> Document:
        group = self.groups.get(request["AutoScalingGroupName"])
        if group.instances and not request.get("ForceDelete"):
            message = "You cannot delete an AutoScalingGroup while there are instances still in the group."
            raise ApiError("ResourceInUse", message)
        group.deleting, group.desired, group.minimum = True, 0, 0
        for one in list(group.instances):
            group.terminate(one, forced=True)
        return {}

    def _usable(self, name: str) -> AutoScalingGroup:
        group = self.groups.get(name)
        if group.deleting:
            raise ApiError("ScalingActivityInProgress", f"AutoScalingGroup {name} is pending delete")
        return group


def _check_bounds(minimum: int, maximum: int, desired: int) -> None:
    if minimum > maximum:
        raise _invalid("Min bound, which is greater than max bound")
    if not minimum <= desired <= maximum:
        raise _invalid(f"Desired capacity:{desired} must be between min size:{minimum} and max size:{maximum}")


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)


def _described(group: AutoScalingGroup) -> Document:
    found = {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "MinSize": group.minimum,
        "MaxSize": group.maximum,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": 300,
        "AvailabilityZones": [f"{group.account.region}a", f"{group.account.region}b"],
        "HealthCheckType": "EC2",
        "CreatedTime": group.account.timeline.moment,
        "NewInstancesProtectedFromScaleIn": group.protects_new,
        "Tags": [
            one | {"ResourceId": group.name, "ResourceType": "auto-scaling-group"}
            for one in group.properties.get("Tags", [])
            if group.account.tags.seen(group.arn)
        ],
        "SuspendedProcesses": [
            {"ProcessName": one, "SuspensionReason": "User suspended"} for one in sorted(group.suspended)
        ],
        "Instances": [
            {
                "InstanceId": one.name,
                "InstanceType": one.kind.name,
                "AvailabilityZone": one.zone,
                "LifecycleState": one.lifecycle,
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": one.protected,
                "LaunchTemplate": one.template,
            }
            for one in group.instances
        ],
    }
    kept = ("MixedInstancesPolicy", "LaunchTemplate", "VPCZoneIdentifier")
    found |= {key: group.properties[key] for key in kept if key in group.properties}
    return found | ({"Status": "Delete in progress"} if group.deleting else {})
