"""``scale`` and ``autoscale`` on AWS: counts that are reached, that are impossible, and that work delays."""

import pytest
import trio
import trio.testing

from cloudkon.errors import InvalidInput, NoFleet, ServiceError
from cloudkon.model import ANIMOTO, WORKER
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import client
from tests.fleet.double.real_templates import NAME, publish
from tests.fleet.fleet_steps import IGNORE_REPORT, deploy_fleet, running, start_workers, the_group, worker_service


async def test_scale_reaches_five_and_then_two(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.scale(WORKER, 5, reports.append)
    assert len(running(account)) == 5
    assert len(the_group(account).instances) == 2
    await target.scale(WORKER, 2, reports.append)
    assert len(running(account)) == 2


async def test_scale_without_fleet_names_account(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(NoFleet, match="not up on account 111122223333"):
        await target.scale(WORKER, 1, IGNORE_REPORT)


async def test_pool_without_image_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    with pytest.raises(InvalidInput, match="no image was deployed"):
        await target.scale(ANIMOTO, 1, IGNORE_REPORT)


async def test_count_that_can_not_fit_is_refused_with_the_largest_that_fits(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    with pytest.raises(InvalidInput, match=r"4 instances hold 16 workers.*--max-instances 5"):
        await target.scale(WORKER, 17, IGNORE_REPORT)
    assert worker_service(account).desired == 0
    await target.scale(WORKER, 16, IGNORE_REPORT)
    assert len(running(account)) == 16


async def test_scale_waits_for_workers_with_work(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    busy = [task.arn for task in running(account)[:3]]
    client("ecs").update_task_protection(cluster=NAME, tasks=busy, protectionEnabled=True, expiresInMinutes=10)
    await target.scale(WORKER, 1, reports.append)
    assert any("3 workers are protected from scale-in" in line for line in reports)
    assert {task.arn for task in running(account)} < set(busy)


async def test_missing_image_is_found_before_any_change(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.ecr.repositories.get(f"{NAME}/worker").images.clear()
    with pytest.raises(InvalidInput, match="not in the registry any more"):
        await target.scale(WORKER, 1, IGNORE_REPORT)
    assert worker_service(account).desired == 0


async def test_image_deleted_meanwhile_is_diagnosed_and_ends_the_wait(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    started = trio.current_time()

    def lose_it(line: str) -> None:
        if "1 wanted" in line:
            account.ecr.repositories.get(f"{NAME}/worker").images.clear()

    with pytest.raises(ServiceError, match=r"its image can't be pulled .*CannotPullContainerError"):
        await target.scale(WORKER, 1, lose_it)
    assert trio.current_time() - started < 600


async def test_missing_capacity_is_reported_and_count_is_reached_once_available(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.autoscaling.capacity = False

    def restore_capacity(line: str) -> None:
        reports.append(line)
        if line.startswith("no capacity"):
            account.autoscaling.capacity = True

    await target.scale(WORKER, 1, restore_capacity)
    assert any("sufficient c7i.large capacity" in line for line in reports)
    assert len(running(account)) == 1


async def test_unregistered_instances_are_named(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.autoscaling.agents = False
    with pytest.raises(ServiceError, match=r"0 of 1 workers run.*have not registered with the cluster"):
        await target.scale(WORKER, 1, reports.append)


async def test_interrupted_scale_can_be_run_again(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    with trio.move_on_after(30):
        await target.scale(WORKER, 3, IGNORE_REPORT)
    await target.scale(WORKER, 3, IGNORE_REPORT)
    assert len(running(account)) == 3


async def test_scale_suspends_autoscaling_and_autoscale_resumes_it(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(1, 6, 50), reports.append)
    (scaling,) = account.application_autoscaling.targets
    assert (scaling.minimum, scaling.maximum) == (1, 6)
    assert set(scaling.policies) == {f"{NAME}-worker-backlog", f"{NAME}-worker-wake"}
    await target.scale(WORKER, 2, reports.append)
    assert all(scaling.suspended.values())
    await target.autoscale(WORKER, None, reports.append)
    assert not any(scaling.suspended.values())
    await target.autoscale(WORKER, AutoscaleRange(0, 0, 1), reports.append)
    assert len(account.application_autoscaling.targets) == 0
    assert len(running(account)) == 2


async def test_range_moves_the_count_into_it_at_once(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(2, 6, 50), reports.append)
    assert worker_service(account).desired == 2
    await target.scale(WORKER, 0, IGNORE_REPORT)
    await target.autoscale(WORKER, None, reports.append)
    assert worker_service(account).desired == 2
    await target.scale(WORKER, 5, IGNORE_REPORT)
    await target.autoscale(WORKER, AutoscaleRange(0, 3, 50), reports.append)
    assert worker_service(account).desired == 3
    assert reports.count("pool worker: 2 wanted instead of 0") == 2
    assert "pool worker: 3 wanted instead of 5" in reports


async def test_pool_without_image_can_not_be_autoscaled(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    with pytest.raises(InvalidInput, match="no image was deployed"):
        await target.autoscale(ANIMOTO, AutoscaleRange(0, 1, 5), IGNORE_REPORT)
    assert len(account.application_autoscaling.targets) == 0
    await target.autoscale(ANIMOTO, AutoscaleRange(0, 0, 5), IGNORE_REPORT)


async def test_minimum_that_does_not_fit_beside_the_other_pool_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 13)
    publish(account, ANIMOTO.name, "one")
    await target.deploy((ANIMOTO,), "one", IGNORE_REPORT)
    with pytest.raises(InvalidInput, match=r"count 2: .*beside 13 of pool worker.*--max-instances 5"):
        await target.autoscale(ANIMOTO, AutoscaleRange(2, 4, 5), IGNORE_REPORT)
    await target.autoscale(ANIMOTO, AutoscaleRange(1, 4, 5), IGNORE_REPORT)


async def test_range_that_can_not_fit_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    with pytest.raises(InvalidInput, match="--max-instances"):
        await target.autoscale(WORKER, AutoscaleRange(0, 99, 50), IGNORE_REPORT)
    assert len(account.application_autoscaling.targets) == 0


@pytest.mark.parametrize("resource", ["WorkerScaling", "WorkerBacklogPolicy", "WorkerWakePolicy", "WorkerWakeAlarm"])
async def test_failed_autoscaling_change_is_rolled_back(
    account: Account, target: AwsTarget, resource: str, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 2)
    account.cloudformation.failures["CREATE", resource] = "the double says no"
    with pytest.raises(ServiceError, match=rf"{resource} .*the double says no.*rolled back to its previous state"):
        await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORE_REPORT)
    assert len(running(account)) == 2
    assert len(account.application_autoscaling.targets) == 0
    account.cloudformation.failures.clear()
    await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORE_REPORT)
    assert len(account.application_autoscaling.targets) == 1


async def test_count_above_the_vcpu_quota_is_refused_with_what_fits(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.service_quotas.values["L-1216C47A"] = 5.0
    words = (
        r"On-Demand vCPUs is 5: it allows 2 instances, which hold 8 workers .*L-1216C47A in Service Quotas, or give 8$"
    )
    with pytest.raises(InvalidInput, match=words):
        await target.scale(WORKER, 16, IGNORE_REPORT)
    assert worker_service(account).desired == 0
    await target.scale(WORKER, 8, IGNORE_REPORT)
    assert len(running(account)) == 8


async def test_spot_quota_counts_for_spot_instances_only(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(spot=100, on_demand_base=1))
    publish(account, tag="one")
    await target.deploy((WORKER,), "one", IGNORE_REPORT)
    account.service_quotas.values |= {"L-1216C47A": 2.0, "L-34B43A08": 4.0}
    with pytest.raises(InvalidInput, match=r"of Spot vCPUs is 4: it allows 3 instances, which hold 12 workers"):
        await target.scale(WORKER, 16, IGNORE_REPORT)
    await target.scale(WORKER, 12, IGNORE_REPORT)
    assert len(running(account)) == 12


async def test_quota_that_became_smaller_than_the_fleet_stops_no_scale_in(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 12)
    account.service_quotas.values["L-1216C47A"] = 1.0
    await target.scale(WORKER, 9, IGNORE_REPORT)
    assert len(running(account)) == 9


async def test_autoscale_refuses_a_minimum_and_warns_of_a_maximum_above_the_quota(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.service_quotas.values["L-1216C47A"] = 5.0
    with pytest.raises(InvalidInput, match=r"count 9: the quota of On-Demand vCPUs is 5"):
        await target.autoscale(WORKER, AutoscaleRange(9, 16, 10), IGNORE_REPORT)
    await target.autoscale(WORKER, AutoscaleRange(0, 16, 10), reports.append)
    assert any(line.startswith("warning: --max 16 can't be reached: count 16: the quota") for line in reports)


def without_quotas(_: int, call: Call) -> None:
    if call.operation == "GetServiceQuota":
        raise ApiError("AccessDeniedException", "not authorized", 400)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("quota", r"VcpuLimitExceeded.*quota is used up; request an increase"),
        (
            "free plan",
            r"not eligible for Free Tier.*that it allows \(m7i-flex.large, c7i-flex.large, t3.small, t4g.small\)",
        ),
        ("key", r"Client error on launch.*its policy does not let Auto Scaling's role use it"),
    ],
    ids=["quota", "free-plan", "key"],
)
async def test_launch_that_can_never_work_ends_the_wait_at_once(
    account: Account, target: AwsTarget, condition: str, words: str, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    if condition == "quota":
        account.before = without_quotas
        account.service_quotas.values["L-1216C47A"] = 5.0
    elif condition == "free plan":
        account.freetier.plan = "FREE"
    else:
        account.ec2.default_key = "arn:aws:kms:us-east-1:111122223333:key/mine"
    started = trio.current_time()
    with pytest.raises(ServiceError, match=words):
        await target.scale(WORKER, 16, IGNORE_REPORT)
    assert trio.current_time() - started < 300


async def test_failed_launch_before_the_command_does_not_end_its_wait(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.freetier.plan = "FREE"
    with pytest.raises(ServiceError, match="Free Tier"):
        await target.scale(WORKER, 1, IGNORE_REPORT)
    account.freetier.plan = "PAID"
    await target.scale(WORKER, 2, IGNORE_REPORT)
    assert len(running(account)) == 2
