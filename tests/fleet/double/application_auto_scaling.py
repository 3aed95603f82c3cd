"""Implements Application Auto Scaling: scalable targets, their policies and suspended scaling."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
TRACKING: Final = "TargetTrackingScaling"
SUSPENSIONS: Final = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@dataclass
class ScalableTarget:
    """One service's desired count as a scalable target."""

    resource: str
    dimension: str
    minimum: int
    maximum: int
    role: str
    suspended: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SUSPENSIONS, False))
    policies: dict[str, Document] = field(default_factory=dict)
    stepped: dict[str, float] = field(default_factory=dict)
    """When each step policy last changed the count, on the account's timeline."""


class ApplicationAutoScaling:
    def __init__(self, account: "Account") -> None:
        self._account = account
        self.targets: ResourceTable[ScalableTarget] = ResourceTable(
            account.timeline,
            lambda name: ApiError("ObjectNotFoundException", f"No scalable target registered for resource ID: {name}"),
        )

    def register_scalable_target(self, request: Document) -> Document:
        name = request["ResourceId"]
        found = self.targets.find(name)
        if found is None:
            if "MinCapacity" not in request or "MaxCapacity" not in request:
                raise ApiError("ValidationException", "MinCapacity and MaxCapacity are required for a new target")
            role = request.get("RoleARN", self._account.iam_arn("role/linked"))
            bounds = request["MinCapacity"], request["MaxCapacity"]
            found = self.targets.add(name, ScalableTarget(name, request["ScalableDimension"], *bounds, role))
            self._account.tags.put(self.arn(name), request.get("Tags", {}))
        found.minimum = request.get("MinCapacity", found.minimum)
        found.maximum = request.get("MaxCapacity", found.maximum)
        if found.minimum > found.maximum:
            raise ApiError("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        found.suspended |= request.get("SuspendedState", {})
        return {"ScalableTargetARN": self.arn(name)}

    def deregister_scalable_target(self, request: Document) -> Document:
        for policy in self.targets.get(request["ResourceId"]).policies.values():
            self._delete_tracking_alarms(policy)
        self.targets.remove(request["ResourceId"])
        self._account.tags.remove(self.arn(request["ResourceId"]))
        return {}

    def describe_scalable_targets(self, request: Document) -> Document:
        wanted = request.get("ResourceIds")
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

    def put_scaling_policy(self, request: Document) -> Document:
        found = self.targets.get(request["ResourceId"])
        arn = self._account.arn(
            "autoscaling", f"scaling-policy/{request['ResourceId']}:policyName/{request['PolicyName']}"
        )
        found.policies[request["PolicyName"]] = request | {"PolicyARN": arn}
        if request["PolicyType"] == TRACKING:
            self._account.cloudwatch.create_tracking_alarms(request["ResourceId"])
        return {"PolicyARN": arn, "Alarms": []}

    def delete_scaling_policy(self, request: Document) -> Document:
        policy = self.targets.get(request["ResourceId"]).policies.pop(request["PolicyName"], None)
        if policy is None:
            raise ApiError("ObjectNotFoundException", f"No scaling policy found for {request['ResourceId']}")
        self._delete_tracking_alarms(policy)
        return {}

    def step(self, arn: str) -> None:
        """Execute a step policy for its alarm, unless it is suspended or in its cooldown."""
        target, policy = next(
            (one, each) for one in self.targets for each in one.policies.values() if each["PolicyARN"] == arn
        )
        given, now = policy["StepScalingPolicyConfiguration"], self._account.timeline.now
        cooling = now < target.stepped.get(arn, -given["Cooldown"]) + given["Cooldown"]
        if cooling or target.suspended["DynamicScalingOutSuspended"]:
            return
        assert given["AdjustmentType"] == "ChangeInCapacity", "the double knows no other adjustment"
        _, cluster, name = target.resource.split("/")
        service = self._account.ecs.service({"cluster": cluster, "service": name})
        wanted = service.desired + given["StepAdjustments"][0]["ScalingAdjustment"]
        service.desired, target.stepped[arn] = min(wanted, target.maximum), now

    def _delete_tracking_alarms(self, policy: Document) -> None:
        if policy["PolicyType"] == TRACKING:
            self._account.cloudwatch.delete_tracking_alarms(policy["ResourceId"])

    def describe_scaling_policies(self, request: Document) -> Document:
        found = [
            {"CreationTime": self._account.timeline.moment} | policy
            for one in self.targets
            for policy in one.policies.values()
            if request.get("ResourceId", one.resource) == one.resource
        ]
        kept = [{key: one[key] for key in one if key != "ResourceLabel"} for one in found]
        names = request.get("PolicyNames")
        return {"ScalingPolicies": [one for one in kept if not names or one["PolicyName"] in names]}

    def arn(self, resource: str) -> str:
        """Return a scalable target's ARN."""
        return self._account.arn("application-autoscaling", f"scalable-target/{resource.replace('/', '-')}")
