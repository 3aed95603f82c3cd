"""Application Auto Scaling: scalable targets, their policies, and what is suspended."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.refusal import Refusal
from tests.fleet.double.table import Table

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Asked = dict[str, Any]
TRACKING: Final = "TargetTrackingScaling"
SUSPENSIONS: Final = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@dataclass
class ScalableTarget:
    """One service's desired count, as what may be scaled."""

    resource: str
    dimension: str
    minimum: int
    maximum: int
    role: str
    suspended: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SUSPENSIONS, False))
    policies: dict[str, Asked] = field(default_factory=dict)


class ApplicationAutoScaling:
    def __init__(self, account: "Account") -> None:
        self._account = account
        self.targets: Table[ScalableTarget] = Table(
            account.timeline,
            lambda name: Refusal("ObjectNotFoundException", f"No scalable target registered for resource ID: {name}"),
        )

    def register_scalable_target(self, asked: Asked) -> Asked:
        name = asked["ResourceId"]
        found = self.targets.find(name)
        if found is None:
            if "MinCapacity" not in asked or "MaxCapacity" not in asked:
                raise Refusal("ValidationException", "MinCapacity and MaxCapacity are required for a new target")
            role = asked.get("RoleARN", f"arn:aws:iam::{self._account.number}:role/linked")
            bounds = asked["MinCapacity"], asked["MaxCapacity"]
            found = self.targets.add(name, ScalableTarget(name, asked["ScalableDimension"], *bounds, role))
            self._account.tags.put(self.arn(name), asked.get("Tags", {}))
        found.minimum = asked.get("MinCapacity", found.minimum)
        found.maximum = asked.get("MaxCapacity", found.maximum)
        if found.minimum > found.maximum:
            raise Refusal("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        found.suspended |= asked.get("SuspendedState", {})
        return {"ScalableTargetARN": self.arn(name)}

    def deregister_scalable_target(self, asked: Asked) -> Asked:
        for policy in self.targets.get(asked["ResourceId"]).policies.values():
            self._lose_track(policy)
        self.targets.remove(asked["ResourceId"])
        self._account.tags.drop(self.arn(asked["ResourceId"]))
        return {}

    def describe_scalable_targets(self, asked: Asked) -> Asked:
        wanted = asked.get("ResourceIds")
        found = [
            {
                "ServiceNamespace": "ecs",
                "ResourceId": one.resource,
                "ScalableDimension": one.dimension,
                "MinCapacity": one.minimum,
                "MaxCapacity": one.maximum,
                "RoleARN": one.role,
                "CreationTime": self._account.timeline.moment,
                "SuspendedState": one.suspended,
            }
            for one in self.targets
            if not wanted or one.resource in wanted
        ]
        return {"ScalableTargets": found}

    def put_scaling_policy(self, asked: Asked) -> Asked:
        found = self.targets.get(asked["ResourceId"])
        arn = self._account.arn("autoscaling", f"scaling-policy/{asked['ResourceId']}:policyName/{asked['PolicyName']}")
        found.policies[asked["PolicyName"]] = asked | {"PolicyARN": arn}
        if asked["PolicyType"] == TRACKING:
            self._account.cloudwatch.track(asked["ResourceId"])
        return {"PolicyARN": arn, "Alarms": []}

    def delete_scaling_policy(self, asked: Asked) -> Asked:
        policy = self.targets.get(asked["ResourceId"]).policies.pop(asked["PolicyName"], None)
        if policy is None:
            raise Refusal("ObjectNotFoundException", f"No scaling policy found for {asked['ResourceId']}")
        self._lose_track(policy)
        return {}

    def _lose_track(self, policy: Asked) -> None:
        if policy["PolicyType"] == TRACKING:
            self._account.cloudwatch.lose_track(policy["ResourceId"])

    def describe_scaling_policies(self, asked: Asked) -> Asked:
        found = [
            {"CreationTime": self._account.timeline.moment} | policy
            for one in self.targets
            for policy in one.policies.values()
            if asked.get("ResourceId", one.resource) == one.resource
        ]
        kept = [{key: one[key] for key in one if key != "ResourceLabel"} for one in found]
        names = asked.get("PolicyNames")
        return {"ScalingPolicies": [one for one in kept if not names or one["PolicyName"] in names]}

    def arn(self, resource: str) -> str:
        """A scalable target's."""
        return self._account.arn("application-autoscaling", f"scalable-target/{resource.replace('/', '-')}")
