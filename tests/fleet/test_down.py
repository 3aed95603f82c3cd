"""``down`` on AWS: nothing that costs money is left, whatever the fleet's state; data is deleted on request only."""

from dataclasses import replace

import pytest
import trio
import trio.testing

from cloudkon.aws.stack import Stack
from cloudkon.errors import ServiceError
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.provision import TEMPLATE
from fleet.target_options import AutoscaleRange
from tests.fleet.double.account import Account
from tests.fleet.double.clients import client
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME, RESOURCES
from tests.fleet.fleet_steps import IGNORE_REPORT, deploy_fleet, left, running, start_workers, the_group


async def test_data_stays_unless_its_deletion_is_requested(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 2)
    await target.down(IGNORE_REPORT, delete_data=False)
    assert {arn.split(":")[2] for arn in left(account)} == {"sqs", "dynamodb", "s3", "cloudformation"}
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_full_store_is_emptied_only_with_the_data(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    (bucket,) = account.s3.buckets
    bucket.update(f"videos/{number}.mp4" for number in range(2500))
    await target.down(IGNORE_REPORT, delete_data=False)
    assert len(bucket) == 2500
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_bucket_that_the_stack_did_not_make_is_not_emptied(
    account: Account, target: AwsTarget, settings: Settings, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    account.s3.buckets.add("photos", {"mine.jpg"})
    other = replace(settings, bucket="photos")
    await AwsTarget(other, DoubleConnection(other), DoubleClock()).down(IGNORE_REPORT, delete_data=True)
    assert account.s3.buckets.get("photos") == {"mine.jpg"}
    assert left(account) == []


async def test_stack_of_the_same_name_that_is_not_the_fleets_is_not_deleted(
    account: Account, target: AwsTarget, settings: Settings, autojump_clock: trio.testing.MockClock
) -> None:
    stack = Stack(DoubleConnection(settings), "some-data")
    parameters = {"Fleet": "another", "BucketName": "another-store", "VisibilitySeconds": "65"}
    await stack.execute(await stack.plan(TEMPLATE.read_text(), parameters), IGNORE_REPORT)
    account.s3.buckets.get("another-store").add("mine.jpg")
    with pytest.raises(ServiceError, match="'some-data': it was not made for the fleet 'some'"):
        await target.down(IGNORE_REPORT, delete_data=True)
    assert account.s3.buckets.get("another-store") == {"mine.jpg"}


async def test_instances_terminate_in_order_without_force(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 5)
    started = trio.current_time()
    await target.down(IGNORE_REPORT, delete_data=True)
    assert trio.current_time() - started < 600
    assert not {"ecs.StopTask", "autoscaling.DeleteAutoScalingGroup"} & {str(call) for call in account.calls}


async def test_down_without_fleet_does_nothing(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_busy_workers_get_their_grace_period_and_no_more(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 2)
    _protect(account)
    started, workers = trio.current_time(), running(account)
    await target.down(IGNORE_REPORT, delete_data=True, grace=300.0)
    assert left(account) == []
    assert all(300 <= (task.stopped or 0) - started < 400 for task in workers)


async def test_instance_with_disconnected_agent_is_forced_out_and_deregistered(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 5)
    (cluster,) = account.ecs.clusters
    cluster.instances[0].connected = False
    await target.down(reports.append, delete_data=True)
    assert any("force-deleting the group" in line for line in reports)
    assert "ecs.DeregisterContainerInstance" in {str(call) for call in account.calls}
    assert left(account) == []


async def test_down_terminates_booting_instances(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.autoscaling.boot_seconds = 200.0
    with trio.move_on_after(75):
        await target.scale(WORKER, 2, IGNORE_REPORT)
    assert {one.lifecycle for one in the_group(account).instances} == {"Pending"}
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_down_terminates_unregistered_instances(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.autoscaling.agents = False
    with trio.move_on_after(400):
        await target.scale(WORKER, 2, IGNORE_REPORT)
    assert len(the_group(account).instances) == 2
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_down_ends_a_fleet_without_capacity(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.autoscaling.capacity = False
    with trio.move_on_after(100):
        await target.scale(WORKER, 2, IGNORE_REPORT)
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_undeletable_resource_is_named_and_the_rest_is_deleted(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 1)
    account.cloudformation.failures["DELETE", "WorkerLogs"] = "the double says no"
    with pytest.raises(ServiceError, match=r"left: .*log-group:/cloudkon/some/worker.*WorkerLogs .*the double says no"):
        await target.down(IGNORE_REPORT, delete_data=False)
    assert account.ec2.instances == {} or {one.state for one in account.ec2.instances.values()} == {"terminated"}
    assert not any("service/" in arn or "autoScalingGroup" in arn for arn in left(account))
    account.cloudformation.failures.clear()
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


@pytest.mark.parametrize(("stack", "resource"), RESOURCES)
async def test_failed_deletion_of_any_resource_is_named_and_completed_by_another_down(
    account: Account, target: AwsTarget, stack: str, resource: str, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    account.cloudformation.failures["DELETE", resource] = "the double says no"
    with pytest.raises(ServiceError, match=rf"left: .*:stack/{stack}/.*{resource} .*the double says no"):
        await target.down(IGNORE_REPORT, delete_data=True)
    account.cloudformation.failures.clear()
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_late_metrics_leave_no_log_group_behind(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 1)
    account.ecs.late_insights = True
    await target.down(IGNORE_REPORT, delete_data=True)
    account.settle()
    assert account.logs.groups.names() == []


async def test_log_group_of_even_later_metrics_is_named(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    late = f"/aws/ecs/containerinsights/{NAME}/performance"

    def write_late(line: str) -> None:
        if line.startswith("deleting messages"):
            account.logs.create(late, {})

    with pytest.raises(ServiceError, match=rf"left: {late}\."):
        await target.down(write_late, delete_data=True)
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_alarms_that_scaling_leaves_behind_are_deleted(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORE_REPORT)
    account.cloudwatch.keeps_alarms = True
    await target.down(reports.append, delete_data=True)
    assert "removed 4 alarms that the scaling left behind" in reports
    assert account.cloudwatch.alarms.names() == []


async def test_remaining_group_is_named_though_the_tagging_service_never_lists_it(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    account.cloudformation.failures["DELETE", "Group"] = "the double says no"
    with pytest.raises(ServiceError, match=rf"left: .*autoScalingGroup {the_group(account).name}"):
        await target.down(IGNORE_REPORT, delete_data=True)


async def test_stray_resource_with_the_tag_is_named(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    stray = account.arn("ec2", "natgateway/nat-1")
    account.tags.put(stray, {"cloudkon:fleet": NAME})
    with pytest.raises(ServiceError, match=rf"left: .*{stray}"):
        await target.down(IGNORE_REPORT, delete_data=True)


async def test_other_fleets_resources_stay(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    other = account.arn("sqs", "other-worker")
    account.tags.put(other, {"cloudkon:fleet": "other"})
    await target.up(IGNORE_REPORT)
    await target.down(IGNORE_REPORT, delete_data=True)
    assert account.tags.arns("cloudkon:fleet", "other") == [other]


@pytest.mark.parametrize("moment", ["create", "update"])
async def test_down_waits_for_a_stack_change_in_progress(
    account: Account, target: AwsTarget, moment: str, autojump_clock: trio.testing.MockClock
) -> None:
    started = trio.Event()

    def watch(line: str) -> None:
        if line == f"{NAME}-compute: {moment} in progress":
            started.set()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(_cancel_after, started, scope)
            await target.up(watch)
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _protect(account: Account) -> None:
    busy = [task.arn for task in running(account)]
    client("ecs").update_task_protection(cluster=NAME, tasks=busy, protectionEnabled=True, expiresInMinutes=600)
