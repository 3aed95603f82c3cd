"""Implements the waker on ECS: starts the workers that automatic scaling would start later.

After some idle hours, a queue publishes its metrics up to 15 minutes late (Amazon SQS Developer Guide, CloudWatch
metrics). The alarm that scales a service up from zero can't react before.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudkon.aws.connection import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.backoff import BRIEF
from cloudkon.errors import CloudKonError
from cloudkon.programs import command

SCALABLE: Final = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
"""The arguments by which Application Auto Scaling knows an ECS service's desired count."""


def resource_id(fleet: str, pool: str) -> str:
    """Return the id of a pool's service in Application Auto Scaling."""
    return f"service/{fleet}/{pool}"


@dataclass(frozen=True, slots=True)
class Scaling:
    """A service's automatic scaling, from ``least`` to ``most`` workers; ``suspended`` if the count is set by hand."""

    least: int
    most: int
    suspended: bool


async def find_scaling(control: ControlPlane, fleet: str, pool: str) -> Scaling | None:
    """Return a pool's automatic scaling, or ``None`` if it has none."""
    rows = await control.pages(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        ResourceIds=[resource_id(fleet, pool)],
        **SCALABLE,
    )
    if not rows:
        return None
    return Scaling(
        int(rows[0]["MinCapacity"]), int(rows[0]["MaxCapacity"]), any(rows[0].get("SuspendedState", {}).values())
    )


class EcsWaker:
    """Starts workers in the pools of one fleet."""

    def __init__(self, connection: Connection) -> None:
        """Make no call yet."""
        self._control = ControlPlane(connection, BRIEF)
        self._fleet = connection.fleet

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:
        """Start workers, as ``Waker.wake`` describes."""
        sentences = []
        for pool, count in chunks.items():
            if count:
                try:
                    sentences.append(await self._wake(pool, count))
                except CloudKonError as error:
                    sentences.append(f"pool {pool}: could not check its workers: {error}")
        return tuple(filter(None, sentences))

    async def _wake(self, pool: str, count: int) -> str:
        answer = await self._control.call("ecs", "describe_services", cluster=self._fleet, services=[pool])
        service: Any = next(iter(answer["services"]), None)
        if service is None or service["status"] != "ACTIVE":
            return f"pool {pool} has no service: bring the fleet up with: {command('fleet up')}"
        if service["desiredCount"]:
            return ""
        scaling = await find_scaling(self._control, self._fleet, pool)
        if scaling is None or scaling.suspended:
            return f"pool {pool} has no workers: set their count with: {command(f'fleet scale 1 --pool {pool}')}"
        wanted = max(1, scaling.least, min(scaling.most, math.ceil(count / await self._chunks_per_worker(pool))))
        await self._control.call("ecs", "update_service", cluster=self._fleet, service=pool, desiredCount=wanted)
        return f"pool {pool} was at zero: {wanted} workers are being started"

    async def _chunks_per_worker(self, pool: str) -> float:
        """Return the target number of chunks per worker, from the pool's scaling policy; infinite if it has none."""
        rows = await self._control.pages(
            "application-autoscaling",
            "describe_scaling_policies",
            "ScalingPolicies",
            ResourceId=resource_id(self._fleet, pool),
            **SCALABLE,
        )
        targets = [row.get("TargetTrackingScalingPolicyConfiguration", {}).get("TargetValue") for row in rows]
        return next((float(target) for target in targets if target), math.inf)
