"""``up --refresh`` on AWS: old instances are drained a few at a time and replaced, and no work is lost for it."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from cloudkon.errors import ServiceError
from cloudkon.model import WORKER
from fleet.aws import refresh
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double.account import AMI_PARAMETERS, Account
from tests.fleet.double.clients import client
from tests.fleet.double.real_templates import NAME
from tests.fleet.fleet_steps import (
    IGNORE_REPORT,
    deploy_fleet,
    running,
    start_workers,
    the_group,
    worker_service,
)

NEW_IMAGE = "ami-0fedcba9876543210"


def versions(account: Account) -> set[str]:
    """Return the launch template's versions from which the group's instances were launched."""
    return {one.template["Version"] for one in the_group(account).staying}


def release_image(account: Account) -> None:
    """Let AWS recommend a newer image."""
    account.ssm |= dict.fromkeys(AMI_PARAMETERS, NEW_IMAGE)


async def start_full_fleet(account: Account, target: AwsTarget) -> None:
    """Start eight workers on two instances, as many as ``--max-instances`` allows."""
    await target.up(IGNORE_REPORT, Sizing(max_instances=2))
    await start_workers(account, target, 8)


async def test_up_alone_leaves_running_instances_as_they_are(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    before = versions(account)
    release_image(account)
    await target.up(IGNORE_REPORT)
    assert the_group(account).launch_template()["Version"] not in before
    assert versions(account) == before


async def test_refresh_replaces_all_old_instances_and_keeps_the_workers(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 8)
    old = {one.name for one in the_group(account).staying}
    release_image(account)
    most = _most_instances(account)
    await target.up(reports.append, refresh=True)
    assert versions(account) == {the_group(account).launch_template()["Version"]}
    assert not old & {one.name for one in the_group(account).staying}
    assert len(running(account)) == 8
    assert most() <= the_group(account).maximum
    assert f"refresh: replacing {len(old)} of {len(old)} instances, 1 with workers at a time" in "\n".join(reports)
    assert f"refresh: all {len(old)} old instances are gone" in reports


async def test_refresh_at_the_maximum_drains_without_a_surplus(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_fleet(account, target)
    release_image(account)
    most = _most_instances(account)
    await target.up(reports.append, refresh=True)
    assert most() == the_group(account).maximum == 2
    assert versions(account) == {the_group(account).launch_template()["Version"]}
    assert len(running(account)) == 8
    assert any("old ones stop before new ones start" in line for line in reports)


async def test_only_worker_on_the_only_instance_is_replaced(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(max_instances=1))
    await start_workers(account, target, 4)
    release_image(account)
    await target.up(IGNORE_REPORT, refresh=True)
    assert versions(account) == {the_group(account).launch_template()["Version"]}
    assert len(running(account)) == 4


async def test_idle_instances_go_and_none_takes_their_place(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 8)
    await target.scale(WORKER, 0, IGNORE_REPORT)
    assert the_group(account).staying
    release_image(account)
    await target.up(IGNORE_REPORT, refresh=True)
    await trio.sleep(600)
    assert the_group(account).staying == []
    assert the_group(account).desired == 0


async def test_refresh_without_old_instances_does_nothing(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    before = {one.name for one in the_group(account).staying}
    await target.up(reports.append, refresh=True)
    assert {one.name for one in the_group(account).staying} == before
    assert "refresh: no instance is older than its launch template" in reports
    assert not any("UpdateContainerInstancesState" in str(call) for call in account.calls)


async def test_refresh_of_a_fleet_without_instances_does_nothing(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(reports.append, refresh=True)
    assert "refresh: no instance is older than its launch template" in reports


async def test_refresh_waits_for_workers_with_work(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    busy = running(account)[0]
    client("ecs").update_task_protection(cluster=NAME, tasks=[busy.arn], protectionEnabled=True, expiresInMinutes=30)
    release_image(account)
    await target.up(IGNORE_REPORT, refresh=True)
    assert busy.stopped is not None
    assert busy.started is not None
    assert busy.stopped - busy.started > 30 * 60
    assert len(running(account)) == 4


async def test_refresh_that_waits_too_long_names_what_still_drains(
    account: Account, target: AwsTarget, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(refresh, "DRAIN_SECONDS", 360)
    await start_workers(account, target, 4)
    old = the_group(account).staying[0].name
    busy = [task.arn for task in running(account)]
    client("ecs").update_task_protection(cluster=NAME, tasks=busy, protectionEnabled=True, expiresInMinutes=30)
    release_image(account)
    with pytest.raises(ServiceError, match=rf"1 instances are still draining \({old}\), with 4 ECS tasks.*--refresh"):
        await target.up(IGNORE_REPORT, refresh=True)
    assert [task.arn for task in running(account) if task.arn in busy] == busy
    (note,) = [line for line in (await target.status()).notes if "draining" in line]
    assert old in note
    await trio.sleep(30 * 60)
    await target.up(IGNORE_REPORT, refresh=True)
    assert old not in {one.name for one in the_group(account).staying}
    assert len(running(account)) == 4


async def test_refresh_drains_no_more_if_the_first_instances_are_not_replaced(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_fleet(account, target)
    release_image(account)

    def take_capacity_away(line: str) -> None:
        reports.append(line)
        if line.startswith("refresh: draining"):
            account.autoscaling.capacity = False

    with pytest.raises(ServiceError, match=r"no capacity: .*The refresh stopped: 1 of 2 instances are replaced"):
        await target.up(take_capacity_away, refresh=True)
    assert len(running(account)) == 4
    assert not any(one.draining for one in account.ecs.clusters.get(NAME).instances)
    account.autoscaling.capacity = True
    await target.up(IGNORE_REPORT, refresh=True)
    assert versions(account) == {the_group(account).launch_template()["Version"]}
    assert len(running(account)) == 8


async def test_fleet_short_of_workers_is_not_drained(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    account.autoscaling.capacity = False
    client("ecs").update_service(cluster=NAME, service="worker", desiredCount=12)
    release_image(account)
    with pytest.raises(ServiceError, match=r"8 of 12 workers run.*0 of 2 instances are replaced"):
        await target.up(IGNORE_REPORT, refresh=True)
    assert len(running(account)) == 8
    assert not any(one.draining for one in account.ecs.clusters.get(NAME).instances)


async def test_autoscaled_pool_is_refreshed_and_keeps_its_minimum(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(1, 6, 50), IGNORE_REPORT)
    await trio.sleep(600)
    release_image(account)
    await target.up(IGNORE_REPORT, refresh=True)
    assert versions(account) == {the_group(account).launch_template()["Version"]}
    assert len(running(account)) == worker_service(account).desired == 1


async def test_interrupted_refresh_is_finished_by_the_next(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_fleet(account, target)
    release_image(account)
    with trio.CancelScope() as scope:
        await target.up(lambda line: scope.cancel() if line.startswith("refresh: draining") else None, refresh=True)
    assert sum(one.draining for one in account.ecs.clusters.get(NAME).instances) == 1
    assert any("1 instances are draining" in line for line in (await target.status()).notes)
    await target.up(reports.append, refresh=True)
    assert versions(account) == {the_group(account).launch_template()["Version"]}
    assert len(running(account)) == 8


async def test_preview_counts_what_a_refresh_would_replace(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    assert (await target.preview(IGNORE_REPORT, refresh=True))[-1] == "refresh: no instances run"
    await start_workers(account, target, 8)
    assert (await target.preview(IGNORE_REPORT, refresh=True))[-1] == "refresh: replace 0 of 2 instances"
    release_image(account)
    assert (await target.preview(IGNORE_REPORT, refresh=True))[-1].startswith("refresh: replace 2 of 2 instances, 1 ")
    assert not any(one.draining for one in account.ecs.clusters.get(NAME).instances)


async def test_group_whose_template_version_was_changed_by_hand_is_not_refreshed(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    mixed = the_group(account).properties["MixedInstancesPolicy"]["LaunchTemplate"]
    mixed["LaunchTemplateSpecification"]["Version"] = "$Latest"
    with pytest.raises(ServiceError, match=r"version is '\$Latest'"):
        await target.up(IGNORE_REPORT, refresh=True)


async def test_down_during_a_refresh_leaves_nothing_draining(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_fleet(account, target)
    release_image(account)
    with trio.CancelScope() as scope:
        await target.up(lambda line: scope.cancel() if line.startswith("refresh: draining") else None, refresh=True)
    await target.down(IGNORE_REPORT, delete_data=False)
    assert list(account.autoscaling.groups) == []


def _most_instances(account: Account) -> Callable[[], int]:
    """Watch at every call how many instances don't terminate; return a function that returns the most seen."""
    counts = [0]
    account.after = lambda *_: counts.append(len(the_group(account).staying))
    return lambda: max(counts)
