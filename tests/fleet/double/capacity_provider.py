"""Simulates managed scaling: a capacity provider sizes its Auto Scaling group for the cluster's ECS tasks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.auto_scaling_group import AutoScalingGroup
from tests.fleet.double.cluster import Cluster
from tests.fleet.double.instance import TYPES

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

POLL_SECONDS: Final = 60.0
FIRST_STEP: Final = 2
"""Instances that the first step from zero launches (ECS Developer Guide, managed scaling behavior)."""
IDLE_POINTS: Final = 15
"""One-minute points of surplus capacity before scale-in."""


@dataclass
class CapacityProvider:
    """``properties`` are those of its ``autoScalingGroupProvider``."""

    account: "Account"
    name: str
    arn: str
    properties: dict[str, Any]
    status: str = "ACTIVE"
    _idle_points: int = 0

    @property
    def scales(self) -> bool:
        return bool(self.properties.get("managedScaling", {}).get("status") == "ENABLED")

    @property
    def protects(self) -> bool:
        return bool(self.properties.get("managedTerminationProtection") == "ENABLED")

    @property
    def drains(self) -> bool:
        return bool(self.properties.get("managedDraining", "ENABLED") == "ENABLED")

    def group(self) -> AutoScalingGroup | None:
        """Return its group, found by ARN or name, if the group exists."""
        named = self.properties["autoScalingGroupArn"]
        return next((one for one in self.account.autoscaling.groups if named in (one.arn, one.name)), None)

    def reconcile(self) -> None:
        """Run once a minute: scale out at once, scale in after ``IDLE_POINTS``."""
        group = self.group()
        cluster = next((one for one in self.account.ecs.clusters if self.name in one.providers), None)
        if group is None or cluster is None or group.deleting or not self.scales:
            return
        self._protect(group, cluster, idle=False)
        wanted = self._missing(group, cluster)
        if wanted:
            step = self.properties["managedScaling"].get("maximumScalingStepSize", 10_000)
            grown = FIRST_STEP if group.desired == 0 else group.desired + min(wanted, step)
            group.desired = max(min(grown, group.maximum), group.desired)
            self._idle_points = 0
            return
        idle = sum(not self._busy(cluster, one.name) for one in group.staying)
        waiting = any(task.status == "PROVISIONING" for service in cluster.services.values() for task in service.tasks)
        self._idle_points = self._idle_points + 1 if idle and not waiting else 0
        if self._idle_points >= IDLE_POINTS:
            self._protect(group, cluster, idle=True)
            group.desired = max(group.desired - idle, group.minimum)

    def _protect(self, group: AutoScalingGroup, cluster: Cluster, *, idle: bool) -> None:
        """Protect instances with ECS tasks from scale-in; release idle ones only when some must go."""
        for one in group.staying if self.protects else ():
            if one.lifecycle == "InService" and (idle or self._busy(cluster, one.name)):
                one.protected = self._busy(cluster, one.name)

    def _busy(self, cluster: Cluster, instance: str) -> bool:
        found = next((one for one in cluster.instances if one.instance.name == instance), None)
        return found is not None and bool(cluster.on(found))

    def _missing(self, group: AutoScalingGroup, cluster: Cluster) -> int:
        """Return the additional instances that waiting ECS tasks need; 0 while instances boot."""
        registered = {one.instance.name for one in cluster.instances}
        if any(one.name not in registered for one in group.staying) or len(group.staying) < group.desired:
            return 0
        smallest = min((TYPES[name] for name in group.instance_types()), key=lambda kind: (kind.cpus, kind.memory))
        units = memory = count = 0
        for task in cluster.tasks:
            if task.status != "PROVISIONING" or task.service.provider != self.name:
                continue
            if task.units > smallest.units or task.memory > smallest.usable:
                continue  # larger than the smallest type: never causes a scale-out
            if task.units > units or task.memory > memory:
                count, units, memory = count + 1, smallest.units, smallest.usable
            units, memory = units - task.units, memory - task.memory
        return count
