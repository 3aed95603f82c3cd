"""Reads and changes a pool's ECS service, its ECS tasks and the cluster's container instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from cloudkon.errors import ServiceError
from cloudkon.model import POOLS

from .account_stacks import AccountStacks
from .names import UNPUBLISHED

MOST_PER_CALL: Final = 100
"""ECS tasks or container instances that one call describes (ECS API reference)."""
MOST_UNPROTECTED_PER_CALL: Final = 10
"""ECS tasks that one ``UpdateTaskProtection`` accepts (ECS API reference)."""
ABSENT: Final = frozenset({"ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException"})
"""ECS's error codes for a cluster or service that does not exist, or no longer."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The rollout of one task definition; ``rollout`` is ECS's rollout state, ``created`` in epoch seconds."""

    status: str
    rollout: str
    reason: str
    failed: int
    definition: str
    created: float


@dataclass(frozen=True, slots=True)
class PoolService:
    """A pool's service with its counts of ECS tasks; ``events`` newest first, each with its time in epoch seconds."""

    pool: str
    status: str
    desired: int
    running: int
    pending: int
    definition: str
    events: tuple[tuple[float, str], ...] = ()
    deployments: tuple[Deployment, ...] = ()

    @classmethod
    def from_answer(cls, row: Mapping[str, Any]) -> Self:
        """Parse a row of ECS's answer."""
        return cls(
            row["serviceName"],
            row["status"],
            row["desiredCount"],
            row["runningCount"],
            row["pendingCount"],
            row.get("taskDefinition", ""),
            tuple((one["createdAt"].timestamp(), one["message"]) for one in row.get("events", ())),
            tuple(
                Deployment(
                    one["status"],
                    one.get("rolloutState", ""),
                    one.get("rolloutStateReason", ""),
                    one.get("failedTasks", 0),
                    one.get("taskDefinition", ""),
                    one["createdAt"].timestamp(),
                )
                for one in row.get("deployments", ())
            ),
        )

    @property
    def settled(self) -> bool:
        """Whether the desired count runs, all with one task definition."""
        return self.running == self.desired and not self.pending and len(self.deployments) <= 1


@dataclass(frozen=True, slots=True)
class EcsTask:
    """One ECS task. ``reason``: why it stopped, with its containers' reasons. Times in epoch seconds."""

    arn: str
    status: str
    reason: str
    instance: str
    created: float


@dataclass(frozen=True, slots=True)
class ContainerInstance:
    """An instance registered with the cluster; ``connected``: whether its agent is connected."""

    ec2_id: str
    status: str
    connected: bool
    busy: int
    arn: str = ""


async def read_services(stacks: AccountStacks) -> dict[str, PoolService]:
    """Return the pools' active services by pool name."""
    try:
        answer = await stacks.ecs("describe_services", services=[pool.name for pool in POOLS])
    except ServiceError as error:
        if error.code in ABSENT:
            return {}
        raise
    found = [PoolService.from_answer(row) for row in answer["services"]]
    return {service.pool: service for service in found if service.status == "ACTIVE"}


async def set_desired_count(stacks: AccountStacks, pool: str, count: int) -> None:
    """Set a service's desired count of ECS tasks."""
    await stacks.ecs("update_service", service=pool, desiredCount=count)


async def image_of(stacks: AccountStacks, service: PoolService) -> str:
    """Return the image that a service's new ECS tasks run; empty if none was deployed."""
    answer = await stacks.control.call("ecs", "describe_task_definition", taskDefinition=service.definition)
    image = str(answer["taskDefinition"]["containerDefinitions"][0]["image"])
    return "" if image == UNPUBLISHED or image.endswith(f":{UNPUBLISHED}") else image


async def ecs_tasks(stacks: AccountStacks, pool: str, status: str = "RUNNING") -> list[EcsTask]:
    """Return a service's ECS tasks that should be ``RUNNING``, or those ``STOPPED`` within about the last hour."""
    try:
        arns = await stacks.control.pages(
            "ecs", "list_tasks", "taskArns", cluster=stacks.fleet, serviceName=pool, desiredStatus=status
        )
    except ServiceError as error:
        if error.code in ABSENT:
            return []
        raise
    found: list[EcsTask] = []
    for some in _batches(arns):
        answer = await stacks.ecs("describe_tasks", tasks=some)
        found += [_ecs_task(row) for row in answer["tasks"]]
    return found


async def protected_tasks(stacks: AccountStacks, pool: str) -> list[str]:
    """Return the ARNs of a service's ECS tasks that are protected from scale-in because they have work."""
    found: list[str] = []
    for some in _batches([task.arn for task in await ecs_tasks(stacks, pool)]):
        answer = await stacks.ecs("get_task_protection", tasks=some)
        found += [row["taskArn"] for row in answer.get("protectedTasks", ()) if row["protectionEnabled"]]
    return found


async def unprotect(stacks: AccountStacks, arns: Sequence[str]) -> None:
    """Remove protection from ECS tasks. Those that have stopped meanwhile are returned as failures, which is fine."""
    for first in range(0, len(arns), MOST_UNPROTECTED_PER_CALL):
        some = [*arns[first : first + MOST_UNPROTECTED_PER_CALL]]
        await stacks.ecs("update_task_protection", tasks=some, protectionEnabled=False)


async def container_instances(stacks: AccountStacks) -> list[ContainerInstance]:
    """Return the cluster's container instances; empty if there is no cluster."""
    try:
        arns = await stacks.control.pages(
            "ecs", "list_container_instances", "containerInstanceArns", cluster=stacks.fleet
        )
    except ServiceError as error:
        if error.code in ABSENT:
            return []
        raise
    found: list[ContainerInstance] = []
    for some in _batches(arns):
        answer = await stacks.ecs("describe_container_instances", containerInstances=some)
        found += [
            ContainerInstance(
                row["ec2InstanceId"],
                row["status"],
                bool(row["agentConnected"]),
                row["runningTasksCount"] + row["pendingTasksCount"],
                row["containerInstanceArn"],
            )
            for row in answer["containerInstances"]
        ]
    return found


def _batches(arns: Sequence[str]) -> list[list[str]]:
    return [[*arns[first : first + MOST_PER_CALL]] for first in range(0, len(arns), MOST_PER_CALL)]


def _ecs_task(row: Mapping[str, Any]) -> EcsTask:
    reasons = [row.get("stoppedReason", ""), *(one.get("reason", "") for one in row.get("containers", ()))]
    exits = [
        f"exit code {one['exitCode']}" for one in row.get("containers", ()) if one.get("exitCode") not in (None, 0)
    ]
    return EcsTask(
        row["taskArn"],
        row["lastStatus"],
        # ECS passes on what the engine said, with line breaks.
        "; ".join(dict.fromkeys(filter(None, (" ".join(one.split()) for one in [*reasons, *exits])))),
        row.get("containerInstanceArn", ""),
        row["createdAt"].timestamp() if "createdAt" in row else 0.0,
    )
