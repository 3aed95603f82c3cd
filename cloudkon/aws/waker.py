"""A waker on ECS: gives services that stand at zero the workers that their own scaling would give them later.

A queue that was idle for some hours publishes its metrics up to 15 minutes late (Amazon SQS Developer Guide,
CloudWatch metrics), and the alarm that wakes a service from zero sees nothing before.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudkon.aws.connection import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.backoff import BRIEF
from cloudkon.errors import CloudKonError

SCALABLE: Final = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
"""How Application Auto Scaling is asked about a service's count."""


def resource_id(fleet: str, pool: str) -> str:
    """A pool's service in Application Auto Scaling's words."""
    return f"service/{fleet}/{pool}"


@dataclass(frozen=True, slots=True)
class Scaling:
    """A service's scaling by backlog; ``suspended`` while its count is set by hand."""

    least: int
    most: int
    suspended: bool


async def find_scaling(control: ControlPlane, fleet: str, pool: str) -> Scaling | None:
    """How a pool scales by itself; ``None`` where it does not."""
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
    """The waker of one fleet."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is asked yet."""
        self._control = ControlPlane(connection, BRIEF)
        self._fleet = connection.fleet

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:
        """As ``Waker`` says."""
        said = []
        for pool, count in chunks.items():
            if count:
                try:
                    said.append(await self._wake(pool, count))
                except CloudKonError as error:
                    said.append(f"pool {pool}: whether it has workers could not be seen to: {error}")
        return tuple(filter(None, said))

    async def _wake(self, pool: str, count: int) -> str:
        answer = await self._control.call("ecs", "describe_services", cluster=self._fleet, services=[pool])
        service: Any = next(iter(answer["services"]), None)
        if service is None or service["status"] != "ACTIVE":
            return f"pool {pool} has no service: bring the fleet up with: python -m fleet up"
        if service["desiredCount"]:
            return ""
        scaling = await find_scaling(self._control, self._fleet, pool)
        if scaling is None or scaling.suspended:
            return f"pool {pool} has no workers: set their count with: python -m fleet scale 1 --pool {pool}"
        wanted = max(1, scaling.least, min(scaling.most, math.ceil(count / await self._share(pool))))
        await self._control.call("ecs", "update_service", cluster=self._fleet, service=pool, desiredCount=wanted)
        return f"pool {pool} was at zero: {wanted} workers are being started"

    async def _share(self, pool: str) -> float:
        """Chunks a worker, by the pool's target-tracking policy; infinite without one, so that one worker starts."""
        rows = await self._control.pages(
            "application-autoscaling",
            "describe_scaling_policies",
            "ScalingPolicies",
            ResourceId=resource_id(self._fleet, pool),
            **SCALABLE,
        )
        targets = [row.get("TargetTrackingScalingPolicyConfiguration", {}).get("TargetValue") for row in rows]
        return next((float(target) for target in targets if target), math.inf)
