"""Simulates an ECS cluster: its services, their ECS tasks, and the container instances they run on."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.container_instance import ContainerInstance
from tests.fleet.double.ecs_service import EcsService
from tests.fleet.double.ecs_task import EcsTask

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

POLL_SECONDS: Final = 2.0


@dataclass
class Cluster:
    """``properties`` are those of CreateCluster; ``providers`` are the associated capacity providers."""

    account: "Account"
    properties: dict[str, Any]
    arn: str
    status: str = "ACTIVE"
    providers: list[str] = field(default_factory=list)
    strategy: list[dict[str, Any]] = field(default_factory=list)
    services: dict[str, EcsService] = field(default_factory=dict)
    instances: list[ContainerInstance] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.properties["clusterName"])

    @property
    def tasks(self) -> list[EcsTask]:
        """All remembered ECS tasks, including stopped ones."""
        return [task for service in self.services.values() for task in service.tasks]

    def reconcile(self) -> None:
        """Reconcile each service, and place waiting ECS tasks."""
        for service in self.services.values():
            service.reconcile()
        for task in self.tasks:
            if task.status == "PROVISIONING" and (capacity := self.instance_for(task)):
                task.place(capacity)

    def on(self, instance: ContainerInstance) -> list[EcsTask]:
        """Return an instance's ECS tasks."""
        return [task for task in self.tasks if task.on is instance and task.status != "STOPPED"]

    def left(self, instance: ContainerInstance) -> tuple[int, int]:
        """Return the free CPU units and MiB of an instance."""
        there, kind = self.on(instance), instance.instance.kind
        return kind.units - sum(one.units for one in there), kind.usable - sum(one.memory for one in there)

    def instance_for(self, task: EcsTask) -> ContainerInstance | None:
        """Return an instance that the ECS task fits on, if any."""
        for one in self.instances:
            units, memory = self.left(one)
            fits = task.units <= units and task.memory <= memory
            if fits and one.status == "ACTIVE" and one.provider == (task.service.provider or one.provider):
                return one
        return None
