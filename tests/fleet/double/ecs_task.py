"""Simulates one ECS task from PROVISIONING to STOPPED."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.container_instance import ContainerInstance
from tests.fleet.double.readings import TASKS_PENDING_FOR_MINUTES
from tests.fleet.double.timeline import Process

if TYPE_CHECKING:
    from tests.fleet.double.cluster import Cluster
    from tests.fleet.double.ecs_service import Deployment, EcsService

PULL_SECONDS: Final = 12.0
SLOW_PULL_SECONDS: Final = 360.0
"""Under the reading ``TASKS_PENDING_FOR_MINUTES``."""
EXIT_SECONDS: Final = 6.0
"""From SIGTERM to the container's exit."""
FORGET_SECONDS: Final = 3600.0
"""How long DescribeTasks still returns a stopped ECS task."""
_numbers = itertools.count(1)


@dataclass
class EcsTask:
    """``status`` is ECS's last status. PROVISIONING waits for capacity, PENDING pulls its image."""

    cluster: "Cluster"
    service: "EcsService"
    deployment: "Deployment"
    definition: dict[str, Any]
    arn: str
    made: float
    status: str = "PROVISIONING"
    on: ContainerInstance | None = None
    stop_code: str = ""
    reason: str = ""
    container_reason: str = ""
    started: float | None = None
    stopped: float | None = None
    protected_until: float = 0.0
    """On the account's timeline."""

    @classmethod
    def of(cls, service: "EcsService", deployment: "Deployment") -> "EcsTask":
        """Return a new ECS task of a service, not yet placed."""
        cluster = service.cluster
        arn = cluster.account.arn("ecs", f"task/{cluster.name}/{next(_numbers):08x}{'0' * 24}")
        definition = cluster.account.ecs.definitions.get(deployment.definition)
        return cls(cluster, service, deployment, definition, arn, cluster.account.timeline.now)

    @property
    def live(self) -> bool:
        """Whether it counts towards the service's desired count."""
        return self.status in ("PROVISIONING", "PENDING", "RUNNING")

    @property
    def protected(self) -> bool:
        return self.protected_until > self.cluster.account.timeline.now

    @property
    def units(self) -> int:
        """CPU units that it reserves."""
        return self._reserved("cpu", "cpu")

    @property
    def memory(self) -> int:
        """MiB that it reserves."""
        return self._reserved("memory", "memory")

    @property
    def roles(self) -> list[str]:
        """ARNs of the roles that ECS assumes for it."""
        return [str(self.definition[one]) for one in ("executionRoleArn", "taskRoleArn") if one in self.definition]

    def _reserved(self, whole: str, each: str) -> int:
        if whole in self.definition:
            return int(self.definition[whole])
        containers = self.definition["containerDefinitions"]
        return sum(
            int(one.get("memoryReservation" if each == "memory" else each) or one.get(each, 0)) for one in containers
        )

    def place(self, on: ContainerInstance) -> None:
        """Place it on an instance; its image pull follows."""
        self.on, self.status = on, "PENDING"
        account = self.cluster.account
        seconds = SLOW_PULL_SECONDS if TASKS_PENDING_FOR_MINUTES in account.readings else PULL_SECONDS
        account.timeline.start(self._running(), seconds)

    def stop(self, code: str, reason: str) -> None:
        """Send SIGTERM; an ECS task that has not started stops at once."""
        if not self.live or (self.on and not self.on.connected):
            return
        self.stop_code, self.reason = code, reason
        started, self.status = self.status == "RUNNING", "STOPPING"
        self.cluster.account.timeline.after(EXIT_SECONDS if started else 0.0, self._end)

    def fail(self, reason: str) -> None:
        """Let it fail on its own, as a crashing container does."""
        self.container_reason = reason
        self.stop("EssentialContainerExited", "Essential container in task exited")

    def _running(self) -> Process:
        yield from ()  # makes it a generator
        if self.status != "PENDING":
            return
        account = self.cluster.account
        for container in self.definition["containerDefinitions"]:
            if not account.ecr.holds(container["image"]):
                self._not_pulled(str(container["image"]))
                return
        self.status, self.started = "RUNNING", account.timeline.now
        for container in self.definition["containerDefinitions"]:
            options = container.get("logConfiguration", {}).get("options", {})
            if "awslogs-group" in options:
                stream = f"{options.get('awslogs-stream-prefix', 'none')}/{container['name']}/{self.arn.split('/')[-1]}"
                account.logs.write(options["awslogs-group"], stream, '{"action": "started"}')

    def _not_pulled(self, image: str) -> None:
        self.container_reason = (
            f"CannotPullContainerError: pull image manifest has been retried 1 time(s): {image}: not found"
        )
        self.stop_code, self.reason = "TaskFailedToStart", self.container_reason
        self._end()
        self.service.note_failure(self)

    def _end(self) -> None:
        self.status, self.stopped = "STOPPED", self.cluster.account.timeline.now
        self.cluster.account.tags.remove(self.arn, FORGET_SECONDS)
        self.cluster.account.timeline.after(FORGET_SECONDS, lambda: self.service.tasks.remove(self))
        if self.stop_code == "EssentialContainerExited":
            self.service.note_failure(self)

    def to_answer(self) -> dict[str, Any]:
        """Return what DescribeTasks does."""
        account = self.cluster.account
        wanted = "STOPPED" if self.status in ("STOPPING", "STOPPED") else "RUNNING"
        container = self.definition["containerDefinitions"][0]
        found = {
            "taskArn": self.arn,
            "clusterArn": self.cluster.arn,
            "taskDefinitionArn": self.deployment.definition,
            "group": f"service:{self.service.name}",
            "startedBy": self.deployment.name,
            "lastStatus": self.status,
            "desiredStatus": wanted,
            "createdAt": account.timeline.moment_at(self.made),
            "cpu": str(self.units),
            "memory": str(self.memory),
            "capacityProviderName": self.service.provider,
            "containers": [
                {"name": container["name"], "image": container["image"], "lastStatus": self.status}
                | ({"reason": self.container_reason} if self.container_reason else {})
            ],
            "tags": account.ecs.tags_of(self.arn),
        }
        if self.on:
            found["containerInstanceArn"] = self.on.arn
        if self.reason:
            found |= {"stopCode": self.stop_code, "stoppedReason": self.reason}
        if self.started is not None:
            found["startedAt"] = account.timeline.moment_at(self.started)
        if self.stopped is not None:
            found["stoppedAt"] = account.timeline.moment_at(self.stopped)
        return found
