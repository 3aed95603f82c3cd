"""Simulates an ECS service, which keeps its desired count of ECS tasks and rolls deployments out and back."""

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.ecs_task import EcsTask
from tests.fleet.double.readings import DRAINING_STOPS_PROTECTED

if TYPE_CHECKING:
    from tests.fleet.double.cluster import Cluster

FEWEST_FAILURES: Final = 3
MOST_FAILURES: Final = 200
"""The circuit breaker's bounds (ECS developer guide)."""
LONGEST_BACKOFF: Final = 300.0
"""Seconds between two starts of ECS tasks that keep failing."""
_numbers = itertools.count(1)


@dataclass
class Deployment:
    """The rollout of one task definition; ``state`` is its rollout state."""

    definition: str
    made: float
    state: str = "IN_PROGRESS"
    reason: str = ""
    failed: int = 0
    name: str = field(default_factory=lambda: f"ecs-svc/{next(_numbers):019d}")


@dataclass
class EcsService:
    """``properties`` are those of CreateService; ``status`` is ACTIVE, DRAINING or INACTIVE."""

    cluster: "Cluster"
    properties: dict[str, Any]
    desired: int
    arn: str
    deployments: list[Deployment]
    """Newest first."""
    status: str = "ACTIVE"
    tasks: list[EcsTask] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    _proven: str = ""
    """The task definition of the last completed deployment."""
    _failures: int = 0
    _start_at: float = 0.0

    @property
    def name(self) -> str:
        return str(self.properties["serviceName"])

    @property
    def provider(self) -> str:
        """Its capacity provider; empty for a service with a launch type."""
        strategy = self.properties.get("capacityProviderStrategy") or []
        return str(strategy[0]["capacityProvider"]) if strategy else ""

    @property
    def live(self) -> list[EcsTask]:
        return [one for one in self.tasks if one.live]

    def count(self, *statuses: str) -> int:
        return sum(one.status in statuses for one in self.tasks)

    def deploy(self, definition: str) -> None:
        """Start to roll out another task definition."""
        self.deployments.insert(0, Deployment(definition, self.cluster.account.timeline.now))

    def reconcile(self) -> None:
        """Start and stop ECS tasks to match counts and deployments."""
        primary, live = self.deployments[0], self.live
        moving = [one for one in live if one.on and one.on.draining]
        new = [one for one in live if one.deployment is primary and one not in moving]
        old = [one for one in live if one.deployment is not primary]
        most, least = self._bounds()
        if self.status == "ACTIVE" and primary.state != "FAILED":
            self._start(min(self.desired - len(new), most - len(live)), primary)
        self._stop(new, len(new) - self.desired)
        if primary.state != "FAILED":
            running = self.count("RUNNING")
            idle = sum(one.status != "RUNNING" for one in old)
            self._stop(old, idle + max(running - max(least, 0), 0) if self.desired else len(old))
        self._move(moving, least)
        if primary.state == "IN_PROGRESS" and not old and self.count("RUNNING") >= self.desired:
            primary.state, primary.reason = "COMPLETED", f"ECS deployment {primary.name} completed."
            self._proven, self.deployments = primary.definition, [primary]
        if self.status == "DRAINING" and not any(one.status != "STOPPED" for one in self.tasks):
            self.status = "INACTIVE"

    def _move(self, moving: list[EcsTask], least: int) -> None:
        """Stop ECS tasks of draining instances: PENDING ones, and others as far as the fewest healthy ones are left.

        New ones start beside them, as in a deployment (ECS Developer Guide, Draining Amazon ECS container instances).
        The guide does not say what task protection means for draining: protected ones stay, unless the account has
        adopted the other reading.
        """
        stops_protected = DRAINING_STOPS_PROTECTED in self.cluster.account.readings
        for one in moving:
            spare = self.count("RUNNING") > (least if self.desired else 0)
            if one.live and (stops_protected or not one.protected) and (one.status == "PENDING" or spare):
                one.stop("ServiceSchedulerInitiated", "Service scheduler: the container instance is draining")

    def note_failure(self, task: EcsTask) -> None:
        """Count an ECS task that failed to start or died; this may open the circuit breaker."""
        self._failures += 1
        timeline = self.cluster.account.timeline
        self._start_at = timeline.now + min(10.0 * self._failures, LONGEST_BACKOFF)
        self.note(f"(service {self.name}) was unable to start tasks successfully: {task.container_reason}")
        deployment = task.deployment
        if deployment.state != "IN_PROGRESS":
            return
        deployment.failed += 1
        breaker = self.properties.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
        threshold = min(max(math.ceil(self.desired / 2), FEWEST_FAILURES), MOST_FAILURES)
        if breaker.get("enable") and deployment.failed >= threshold:
            deployment.state = "FAILED"
            deployment.reason = "ECS deployment circuit breaker: tasks failed to start."
            self.note(f"(service {self.name}) (deployment {deployment.name}) deployment failed: tasks failed to start.")
            if breaker.get("rollback") and self._proven and self._proven != deployment.definition:
                self.note(f"(service {self.name}) rolling back to deployment {self._proven}.")
                self.deploy(self._proven)

    def note(self, message: str) -> None:
        """Add an event to those that DescribeServices returns."""
        event = {"id": str(len(self.events)), "createdAt": self.cluster.account.timeline.moment, "message": message}
        self.events.insert(0, event)

    def _bounds(self) -> tuple[int, int]:
        found = self.properties.get("deploymentConfiguration", {})
        most = math.floor(self.desired * found.get("maximumPercent", 200) / 100)
        return max(most, self.desired), math.ceil(self.desired * found.get("minimumHealthyPercent", 100) / 100)

    def _start(self, count: int, deployment: Deployment) -> None:
        account = self.cluster.account
        if count <= 0 or account.timeline.now < self._start_at:
            return
        for _ in range(count):
            task = EcsTask.of(self, deployment)
            if unseen := [role for role in task.roles if not account.iam.usable(role.rpartition("/")[2])]:
                self.note(
                    f"(service {self.name}) failed to launch a task with (error ECS was unable to assume the role "
                    f"'{unseen[0]}' that was provided for this task. Please verify that the role being passed has the "
                    "proper trust relationship and permissions and that your IAM user has permissions to pass this "
                    "role.)."
                )
                return
            if not self.provider and not self.cluster.instance_for(task):
                # With a launch type, no ECS task waits for capacity, so nothing causes a scale-out.
                self.note(
                    f"(service {self.name}) was unable to place a task because no container instance met all of its"
                    " requirements."
                )
                return
            self.tasks.append(task)
            account.tags.put(task.arn, self._task_tags())

    def _task_tags(self) -> dict[str, str]:
        tags = self.cluster.account.tags
        source = self.properties.get("propagateTags")
        if source == "SERVICE":
            return tags.of(self.arn)
        return tags.of(self.deployments[0].definition) if source == "TASK_DEFINITION" else {}

    def _stop(self, tasks: list[EcsTask], count: int) -> None:
        """Stop ``count`` ECS tasks, waiting ones first; protected ones stay."""
        order = {"PROVISIONING": 0, "PENDING": 1, "RUNNING": 2}
        for one in sorted(tasks, key=lambda task: order[task.status]):
            if count > 0 and not one.protected:
                one.stop(
                    "ServiceSchedulerInitiated",
                    f"Scaling activity initiated by (deployment {self.deployments[0].name})",
                )
                count -= 1

    def to_answer(self) -> dict[str, Any]:
        """Return what DescribeServices does."""
        found = {
            "serviceName": self.name,
            "serviceArn": self.arn,
            "clusterArn": self.cluster.arn,
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": self.count("RUNNING"),
            "pendingCount": self.count("PROVISIONING", "PENDING"),
            "taskDefinition": self.deployments[0].definition,
            "events": self.events[:100],
            "deployments": [
                self._deployment(one, "ACTIVE" if at else "PRIMARY") for at, one in enumerate(self.deployments)
            ],
            "createdAt": self.cluster.account.timeline.moment,
            "tags": self.cluster.account.ecs.tags_of(self.arn),
        }
        kept = ("capacityProviderStrategy", "deploymentConfiguration", "propagateTags", "launchType")
        return found | {key: self.properties[key] for key in kept if key in self.properties}

    def _deployment(self, one: Deployment, status: str) -> dict[str, Any]:
        mine = [task.status for task in self.tasks if task.deployment is one]
        return {
            "id": one.name,
            "status": status,
            "taskDefinition": one.definition,
            "desiredCount": 0 if status == "ACTIVE" else self.desired,
            "runningCount": mine.count("RUNNING"),
            "pendingCount": mine.count("PENDING") + mine.count("PROVISIONING"),
            "failedTasks": one.failed,
            "rolloutState": one.state,
            "rolloutStateReason": one.reason,
            "createdAt": self.cluster.account.timeline.moment_at(one.made),
        }
