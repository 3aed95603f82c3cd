"""Waking a fleet without workers, with responses that botocore's Stubber checks against AWS's own model."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.waker import EcsWaker

DIMENSION = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
WORKER_SERVICE = {**DIMENSION, "ResourceId": "service/unit/worker"}
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ecs(connection: Connection) -> Iterator[Stubber]:
    client: Any = connection.client("ecs")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def scaling(connection: Connection) -> Iterator[Stubber]:
    client: Any = connection.client("application-autoscaling")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def stub_service(ecs: Stubber, **service: object) -> None:
    services = [{"serviceName": "worker", "status": "ACTIVE", **service}] if service else []
    ecs.add_response("describe_services", {"services": services}, {"cluster": "unit", "services": ["worker"]})


def stub_scalable_target(scaling: Stubber, most: int, *, least: int = 0, suspended: bool = False) -> None:
    target: dict[str, Any] = {**WORKER_SERVICE, "MinCapacity": least, "MaxCapacity": most, "RoleARN": "r" * 20}
    target |= {"CreationTime": WHEN, "SuspendedState": {"DynamicScalingOutSuspended": suspended}}
    wanted = {**DIMENSION, "ResourceIds": ["service/unit/worker"]}
    scaling.add_response("describe_scalable_targets", {"ScalableTargets": [target]}, wanted)


def stub_policies(scaling: Stubber, *targets: float) -> None:
    policies = [
        {
            **WORKER_SERVICE,
            "PolicyARN": "arn",
            "PolicyName": "backlog",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {"TargetValue": target},
            "CreationTime": WHEN,
        }
        for target in targets
    ]
    scaling.add_response("describe_scaling_policies", {"ScalingPolicies": policies}, WORKER_SERVICE)


@pytest.mark.parametrize(
    ("chunks", "least", "targets", "wanted"),
    [(1, 0, (100,), 1), (1000, 0, (100,), 10), (1_000_000, 0, (100,), 64), (1, 3, (100,), 3), (1000, 0, (), 1)],
)
async def test_pool_at_zero_gets_as_many_workers_as_its_scaling_policy_would_start(
    connection: Connection,
    ecs: Stubber,
    scaling: Stubber,
    chunks: int,
    least: int,
    targets: tuple[float, ...],
    wanted: int,
) -> None:
    stub_service(ecs, desiredCount=0)
    stub_scalable_target(scaling, 64, least=least)
    stub_policies(scaling, *targets)
    ecs.add_response("update_service", {}, {"cluster": "unit", "service": "worker", "desiredCount": wanted})
    assert await EcsWaker(connection).wake({"worker": chunks}) == (
        f"pool worker was at zero: {wanted} workers are being started",
    )


async def test_pool_with_workers_is_not_changed(connection: Connection, ecs: Stubber, scaling: Stubber) -> None:
    stub_service(ecs, desiredCount=2)
    assert await EcsWaker(connection).wake({"worker": 5, "animoto": 0}) == ()


async def test_count_set_by_hand_is_not_changed_but_reported(
    connection: Connection, ecs: Stubber, scaling: Stubber
) -> None:
    stub_service(ecs, desiredCount=0)
    stub_scalable_target(scaling, 64, suspended=True)
    (sentence,) = await EcsWaker(connection).wake({"worker": 5})
    assert "python -m fleet scale 1 --pool worker" in sentence


async def test_missing_fleet_is_reported_and_never_fails_the_push(
    connection: Connection, ecs: Stubber, scaling: Stubber
) -> None:
    stub_service(ecs)
    ecs.add_client_error("describe_services", "AccessDeniedException", "not you")
    waker = EcsWaker(connection)
    assert "python -m fleet up" in (await waker.wake({"worker": 5}))[0]
    assert "not you" in (await waker.wake({"worker": 5}))[0]
