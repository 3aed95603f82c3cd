"""The referee bites: readers with the usual misunderstandings fail on answers that AWS really gave."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trio.testing

from cloudkon.aws.stack_facts import StackFacts
from fleet.aws.resources import auto_scaling_group, ecs_service, network
from fleet.aws.resources.ecs_service import EcsTask
from tests.fleet.replay.readers import read
from tests.fleet.replay.stored_answers import stored_answers

Row = Mapping[str, Any]


def demands_reason(row: Row) -> EcsTask:
    """Take for granted that each ECS task has a reason for its end."""
    return EcsTask(row["taskArn"], row["lastStatus"], row["stoppedReason"], "", row["createdAt"].timestamp())


def demands_exit_codes(row: Row) -> EcsTask:
    """Take for granted that each stopped container has an exit code."""
    reason = ", ".join(f"exit code {one['exitCode']}" for one in row["containers"])
    return EcsTask(row["taskArn"], row["lastStatus"], reason, "", 0.0)


def demands_outputs(answer: Row) -> StackFacts:
    """Take for granted that each stack has outputs and parameters."""
    return StackFacts(answer["StackStatus"], {}, {one["OutputKey"]: one["OutputValue"] for one in answer["Outputs"]})


def demands_gateway(table: Row) -> str:
    """Take for granted that a route names a gateway."""
    return next((str(route["GatewayId"]) for route in table.get("Routes", ())), "")


@pytest.mark.parametrize(
    ("operation", "where", "name", "planted"),
    [
        ("ecs.DescribeTasks", ecs_service, "_ecs_task", demands_reason),
        ("ecs.DescribeTasks", ecs_service, "_ecs_task", demands_exit_codes),
        ("cloudformation.DescribeStacks", StackFacts, "described", demands_outputs),
        ("ec2.DescribeRouteTables", network, "_default_gateway", demands_gateway),
    ],
    ids=["task-reason", "exit-code", "stack-outputs", "route-gateway"],
)
async def test_reader_that_demands_an_optional_member_fails(
    operation: str,
    where: object,
    name: str,
    planted: Callable[[Row], object],
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    monkeypatch.setattr(where, name, planted)
    failed = 0
    for one in stored_answers(operation):
        try:
            await read(operation, one.answer)
        except KeyError:
            failed += 1
    assert failed


async def test_group_that_is_always_deleted_is_noticed(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    def always(row: Row) -> object:
        return auto_scaling_group.AutoScalingGroup(row["AutoScalingGroupName"], 0, 0, False, deleting=row["Status"])  # noqa: FBT003  (as the class has it)

    monkeypatch.setattr(auto_scaling_group.AutoScalingGroup, "from_answer", always)
    (first, *_rest) = stored_answers("autoscaling.DescribeAutoScalingGroups")
    with pytest.raises(KeyError, match="Status"):
        await read(first.operation, first.answer)
