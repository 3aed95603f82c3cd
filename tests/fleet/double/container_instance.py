"""Describes an EC2 instance as its cluster knows it."""

from dataclasses import dataclass
from typing import Any

from tests.fleet.double.instance import Instance


@dataclass
class ContainerInstance:
    """``status`` is ACTIVE or DRAINING; ``provider`` is the capacity provider's name, or empty.

    An instance whose agent is not ``connected`` receives no orders and stays registered after its termination.
    """

    arn: str
    instance: Instance
    provider: str
    status: str = "ACTIVE"
    connected: bool = True

    @property
    def draining(self) -> bool:
        return self.status == "DRAINING"

    def to_answer(self, running: int, pending: int, units: int, memory: int) -> dict[str, Any]:
        """Return what DescribeContainerInstances does; ``units`` and ``memory`` (MiB) are free."""
        kind = self.instance.kind
        found = {
            "containerInstanceArn": self.arn,
            "ec2InstanceId": self.instance.name,
            "status": self.status,
            "agentConnected": self.connected,
            "runningTasksCount": running,
            "pendingTasksCount": pending,
            "registeredResources": _resources(kind.units, kind.usable),
            "remainingResources": _resources(units, memory),
        }
        return found | ({"capacityProviderName": self.provider} if self.provider else {})


def _resources(units: int, memory: int) -> list[dict[str, Any]]:
    return [
        {"name": "CPU", "type": "INTEGER", "integerValue": units},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
    ]
