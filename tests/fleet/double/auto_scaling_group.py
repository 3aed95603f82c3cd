"""Simulates one Auto Scaling group, which launches and terminates instances to match its desired capacity."""

import base64
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.instance import TYPES, Instance
from tests.fleet.double.launch_limits import launch_refusal
from tests.fleet.double.tags import as_dict
from tests.fleet.double.timeline import Process

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

POLL_SECONDS: Final = 5.0
AGENT_SECONDS: Final = 15.0
"""From InService to the agent's registration with its cluster."""
SHUTDOWN_SECONDS: Final = 20.0
RETRY_SECONDS: Final = 60.0
"""Between two launch attempts while EC2 refuses them."""
FORGET_SECONDS: Final = 3600.0
"""How long EC2 still lists a terminated instance."""
_numbers = itertools.count(1)


@dataclass
class AutoScalingGroup:
    """``properties`` are those of CreateAutoScalingGroup; ``minimum``, ``maximum``, ``desired`` count instances."""

    account: "Account"
    properties: dict[str, Any]
    minimum: int
    maximum: int
    desired: int
    arn: str = ""
    deleting: bool = False
    gone: bool = False
    suspended: set[str] = field(default_factory=set)
    instances: list[Instance] = field(default_factory=list)
    activities: list[dict[str, Any]] = field(default_factory=list)
    _retry_at: float = 0.0

    @property
    def name(self) -> str:
        return str(self.properties["AutoScalingGroupName"])

    @property
    def protects_new(self) -> bool:
        """Whether new instances are protected from scale-in."""
        return bool(self.properties.get("NewInstancesProtectedFromScaleIn", False))

    @property
    def staying(self) -> list[Instance]:
        return [one for one in self.instances if not one.leaving]

    def reconcile(self) -> None:
        """Launch missing instances and terminate surplus ones that are not protected."""
        missing = self.desired - len(self.staying)
        if missing > 0 and not self.deleting:
            for _ in range(missing):
                self._launch()
        for one in [one for one in self.staying if not one.protected or self.deleting][: max(-missing, 0)]:
            self.terminate(one)
        if missing < 0 and self.staying and all(one.protected for one in self.staying) and not self.deleting:
            message = "Could not scale to desired capacity because all remaining instances are protected from scale in."
            self._record_event("Cancelled", message)
        # A forced deletion does not wait for the instances (Auto Scaling API reference, DeleteAutoScalingGroup).
        if self.deleting and all(one.state == "shutting-down" for one in self.instances):
            self.gone = True

    def terminate(self, instance: Instance, *, forced: bool = False) -> None:
        """Start to terminate an instance, after draining it unless ``forced``."""
        instance.forced = instance.forced or forced
        if not instance.leaving:
            instance.lifecycle = "Terminating:Wait"
            self.account.timeline.start(self._ending(instance))

    def instance_types(self) -> list[str]:
        """Return the types that may be launched, the preferred one first."""
        mixed = self.properties.get("MixedInstancesPolicy")
        if mixed:
            named = [one["InstanceType"] for one in mixed["LaunchTemplate"].get("Overrides", [])]
            if named:
                return named
        return [str(self.launch_data()["InstanceType"])]

    def launch_data(self) -> dict[str, Any]:
        """Return the launch template's data."""
        data: dict[str, Any] = self.account.ec2.templates.get(self.launch_template()["LaunchTemplateId"])
        return data

    def launch_template(self) -> dict[str, str]:
        """Return which launch template new instances are launched from, and its version."""
        mixed = self.properties.get("MixedInstancesPolicy")
        given = mixed["LaunchTemplate"]["LaunchTemplateSpecification"] if mixed else self.properties["LaunchTemplate"]
        return {key: str(given[key]) for key in ("LaunchTemplateId", "Version") if key in given}

    def check_profile(self) -> None:
        """Refuse a launch template whose instance profile EC2 does not see yet."""
        profile = str(self.launch_data().get("IamInstanceProfile", {}).get("Arn", ""))
        if profile and not self.account.iam.usable(profile.rpartition("/")[2]):
            raise ApiError(
                "ValidationError",
                "You must use a valid fully-formed launch template. "
                f"Value ({profile}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
            )

    def _launch(self) -> None:
        account = self.account
        if account.timeline.now < self._retry_at:
            return
        kind = self.instance_types()[0]
        if refusal := launch_refusal(account, TYPES[kind], spot=self._next_is_spot()):
            self._retry_at = account.timeline.now + RETRY_SECONDS
            self._record_event(*refusal)
            return
        data, name = self.launch_data(), f"i-{next(_numbers):017x}"
        tags = as_dict([one for one in self.properties.get("Tags", []) if one.get("PropagateAtLaunch")])
        instance = Instance(
            name=name,
            kind=TYPES[kind],
            zone=f"{account.region}{'ab'[len(self.instances) % 2]}",
            launched=account.timeline.moment,
            spot=self._next_is_spot(),
            protected=self.protects_new,
            tags=tags | {"aws:autoscaling:groupName": self.name} | _template_tags(data, "instance"),
            security_groups=list(data.get("SecurityGroupIds", [])),
            user_data=base64.b64decode(data.get("UserData", "")).decode(),
            template=self.launch_template(),
        )
        self.instances.append(instance)
        account.ec2.instances[name] = instance
        account.tags.put(account.arn("ec2", f"instance/{name}"), instance.tags)
        account.tags.put(account.arn("ec2", f"volume/{instance.volume}"), _template_tags(data, "volume"))
        self._record_event("Successful", f"Launching a new EC2 instance: {name}")
        account.timeline.start(self._booting(instance), account.autoscaling.boot_seconds)

    def _next_is_spot(self) -> bool:
        mix = self.properties.get("MixedInstancesPolicy", {}).get("InstancesDistribution", {})
        base, share = mix.get("OnDemandBaseCapacity", 0), mix.get("OnDemandPercentageAboveBaseCapacity", 100)
        above = len(self.staying) - base
        on_demand = sum(not one.spot for one in self.staying) - base
        return bool(above >= 0 and on_demand >= (above + 1) * share / 100)

    def _booting(self, instance: Instance) -> Process:
        if instance.leaving:
            return
        instance.state, instance.lifecycle = "running", "InService"
        yield AGENT_SECONDS
        if not instance.leaving and self.account.autoscaling.agents:
            self.account.ecs.register(instance, self)

    def _ending(self, instance: Instance) -> Process:
        account = self.account
        account.ecs.drain(instance)
        while account.ecs.drains(self) and account.ecs.busy(instance) and not instance.forced:
            yield POLL_SECONDS
        instance.lifecycle, instance.state = "Terminating", "shutting-down"
        account.ecs.remove_instance(instance)
        yield SHUTDOWN_SECONDS
        instance.lifecycle, instance.state = "Terminated", "terminated"
        self.instances.remove(instance)
        account.tags.remove(account.arn("ec2", f"volume/{instance.volume}"))
        account.tags.remove(account.arn("ec2", f"instance/{instance.name}"), FORGET_SECONDS)
        self._record_event("Successful", f"Terminating EC2 instance: {instance.name}")
        yield FORGET_SECONDS
        account.ec2.instances.pop(instance.name, None)

    def _record_event(self, status: str, message: str) -> None:
        last = self.activities[0] if self.activities else None
        moment = self.account.timeline.moment
        if last and last["StatusMessage"] == message and (moment - last["StartTime"]).total_seconds() < RETRY_SECONDS:
            return
        self.activities.insert(
            0,
            {
                "ActivityId": f"activity-{len(self.activities)}",
                "AutoScalingGroupName": self.name,
                "Description": message,
                "StatusMessage": message,
                "Cause": "the difference between desired and actual capacity",
                "StartTime": moment,
                "StatusCode": status,
            },
        )


def _template_tags(data: dict[str, Any], kind: str) -> dict[str, str]:
    found = [one["Tags"] for one in data.get("TagSpecifications", []) if one["ResourceType"] == kind]
    return as_dict(found[0]) if found else {}
