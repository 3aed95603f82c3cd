"""What users are told when AWS answers so: sentences of AWS's records, in the place where a reader has to find them."""

from typing import Any

import pytest
import trio.testing

from cloudkon.errors import AccessDenied, CloudKonError, NoFleet, ObjectMissing, ServiceError, Throttled, Unavailable
from cloudkon.model import Delivery
from cloudkon.ports.queue import QueueOutcome
from fleet.aws.diagnosis import Finding
from fleet.aws.resources.auto_scaling_group import AutoScalingGroup
from fleet.aws.resources.ecs_service import ContainerInstance, EcsTask, PoolService
from tests.fleet.double.api_error import ApiError
from tests.fleet.replay.modelled import SOME_TIME
from tests.fleet.replay.readers import read
from tests.fleet.replay.served_account import serve
from tests.fleet.replay.stored_answers import StoredError, stored_answers, stored_errors

NO_CAPACITY = (
    "We currently do not have sufficient c7i.large capacity in the Availability Zone you requested (us-east-1a). Our "
    "system will be working on provisioning additional capacity. You can currently get c7i.large capacity by not "
    "specifying an Availability Zone in your request or choosing us-east-1b, us-east-1c. Launching EC2 instance failed."
)
"""Amazon EC2 Auto Scaling User Guide, Troubleshoot: EC2 instance launch failures."""


async def results(operation: str) -> list[object]:
    """Return what the readers of an operation make of all stored answers."""
    return [result for one in stored_answers(operation) for result in await read(operation, one.answer)]


async def test_stopped_task_says_why(autojump_clock: trio.testing.MockClock) -> None:
    tasks = [task for found in await results("ecs.DescribeTasks") if isinstance(found, list) for task in found]
    (reason,) = {task.reason for task in tasks if isinstance(task, EcsTask) and task.status == "STOPPED"}
    assert reason.startswith("Task failed to start; CannotPullContainerError: API error (500): Get https://registry-1.")


async def test_image_that_no_network_brings_is_no_missing_image(autojump_clock: trio.testing.MockClock) -> None:
    findings = [one for found in await results("ecs.DescribeTasks") if isinstance(found, list) for one in found]
    texts = {one.text: one.permanent for one in findings if isinstance(one, Finding) and "CannotPull" in one.text}
    ((text, permanent),) = texts.items()
    # Docker's message ends in a line break; a finding is one line.
    assert text.startswith("pool worker: the instances can't reach the image registry (Task failed to start; ")
    assert "\n" not in text
    assert "fleet publish" not in text
    assert not permanent


async def test_service_of_fargate_or_ec2_is_a_pool(autojump_clock: trio.testing.MockClock) -> None:
    found = [one for one in await results("ecs.DescribeServices") if isinstance(one, dict)]
    services = [service for pools in found for service in pools.values() if isinstance(service, PoolService)]
    assert {service.status for service in services} == {"ACTIVE"}
    assert any(service.deployments[0].rollout == "COMPLETED" for service in services)
    # Services from before the circuit breaker have no rollout state.
    assert any(service.deployments[0].rollout == "" for service in services)


async def test_answers_become_the_fleets_own_types(autojump_clock: trio.testing.MockClock) -> None:
    groups = [one[0] for one in await results("autoscaling.DescribeAutoScalingGroups") if isinstance(one, tuple)]
    assert all(isinstance(group, AutoScalingGroup) for group in groups)
    assert any(group.suspended for group in groups)
    assert any(group.instances and not group.instances[0].protected for group in groups)
    machines = [row for one in await results("ecs.DescribeContainerInstances") if isinstance(one, list) for row in one]
    assert any(isinstance(row, ContainerInstance) and row.ec2_id.startswith("i-") for row in machines)


async def test_failed_launch_is_named_with_a_remedy(autojump_clock: trio.testing.MockClock) -> None:
    (example,) = stored_answers("autoscaling.DescribeScalingActivities")
    activity = example.answer["Activities"][0] | {"StatusCode": "Failed", "StatusMessage": NO_CAPACITY}
    # The activity is of 2013; the account's clock begins in 2026, and only what is recent is told.
    activity["StartTime"] = SOME_TIME.replace(year=2027)
    reasons, findings = await read("autoscaling.DescribeScalingActivities", {"Activities": [activity]})
    assert isinstance(reasons, dict)
    assert list(reasons.values()) == [NO_CAPACITY]
    assert any(
        isinstance(one, Finding) and "more --instance-types or another subnet may help" in one.text
        for one in (findings if isinstance(findings, list) else ())
    )


async def test_rollback_is_told_with_its_reason(autojump_clock: trio.testing.MockClock) -> None:
    found = await results("cloudformation.DescribeStackEvents")
    errors = [str(one) for one in found if isinstance(one, ServiceError)]
    assert any("is ROLLBACK_COMPLETE" in text and "no reason" not in text for text in errors), errors
    assert any(isinstance(one, list) and "create in progress" in str(one) for one in found)


async def test_change_set_without_changes_is_an_empty_plan(autojump_clock: trio.testing.MockClock) -> None:
    plans = await results("cloudformation.DescribeChangeSet")
    assert any(getattr(plan, "empty", False) for plan in plans)
    assert any(change.replaces for plan in plans for change in getattr(plan, "changes", ()))


async def test_messages_are_delivered_with_what_sqs_says_of_them(autojump_clock: trio.testing.MockClock) -> None:
    found = [one for result in await results("sqs.ReceiveMessage") if isinstance(result, list) for one in result]
    assert found
    assert all(isinstance(one, Delivery) and one.body and one.handle for one in found)
    assert any(one.sent == 1_700_000_000.0 for one in found if isinstance(one, Delivery))


async def test_batch_without_a_list_of_failures_is_done(autojump_clock: trio.testing.MockClock) -> None:
    (result, *_rest) = await results("sqs.SendMessageBatch")
    assert isinstance(result, list)
    assert result[0] is QueueOutcome.DONE


@pytest.mark.parametrize("error", stored_errors(), ids=lambda one: f"{one.service}-{one.code}-{one.status}")
async def test_refusal_becomes_one_line(error: StoredError, autojump_clock: trio.testing.MockClock) -> None:
    refused = ApiError(error.code, error.message, error.status)
    stacks = serve({"s3.HeadBucket": refused})
    with pytest.raises(CloudKonError) as caught:
        await stacks.control.call("s3", "head_bucket", Bucket="some-bucket")
    assert "\n" not in str(caught.value)
    assert type(caught.value) is expected(error)


def expected(error: StoredError) -> type[CloudKonError]:
    """Return the kind of error that a refusal is, by what AWS's words say."""
    by_code: dict[str, Any] = {
        "404": ObjectMissing,
        "403": AccessDenied,
        "AWS.SimpleQueueService.NonExistentQueue": NoFleet,
        "NoSuchBucket": NoFleet,
        "ResourceNotFound": NoFleet,
        "ResourceNotFoundException": NoFleet,
        "NoSuchKey": ObjectMissing,
        "InternalError": Unavailable,
        "NotImplemented": Unavailable,
        "AWS.SimpleQueueService.PurgeQueueInProgress": Throttled,
        "ThrottlingException": Throttled,
        "AccessDenied": AccessDenied,
        "AccessDeniedException": AccessDenied,
    }
    found: type[CloudKonError] = by_code.get(error.code, ServiceError)
    return found
