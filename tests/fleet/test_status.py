"""``status`` and ``logs`` on AWS: resources, cost and problems."""

import pytest
import trio
import trio.testing

from cloudkon.errors import NoFleet
from cloudkon.model import WORKER
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange
from tests.fleet.double.account import Account
from tests.fleet.double.real_templates import NAME
from tests.fleet.fleet_steps import IGNORE_REPORT, deploy_fleet, running, start_workers


async def test_status_counts_workers_instances_messages_and_cost(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 5)
    queue, dead = account.sqs.queues.get(f"{NAME}-worker"), account.sqs.queues.get(f"{NAME}-worker-dead")
    queue.visible, queue.in_flight, dead.visible = 7, 5, 2
    account.cloudwatch.metrics["ApproximateAgeOfOldestMessage", f"{NAME}-worker"] = 42.0
    status = await target.status()
    pool = status.pools["worker"]
    assert (pool.desired, pool.running, pool.pending) == (5, 5, 0)
    assert pool.backlog is not None
    assert (pool.backlog.visible, pool.backlog.in_flight, pool.dead_letters) == (7, 5, 2)
    assert pool.oldest_seconds == 42.0
    account.cloudwatch.metrics["ApproximateAgeOfOldestMessage", f"{NAME}-worker-high"] = 43.0
    assert (await target.status()).pools["worker"].oldest_seconds == 43.0
    assert status.instances is not None
    assert (status.instances.running, status.instances.registered, status.instances.idle) == (2, 2, 0)
    assert status.cost is not None
    assert status.cost.hour > 0
    assert status.problems == ()
    assert "111122223333" in status.place


async def test_status_without_fleet_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(NoFleet, match="not up on account 111122223333"):
        await target.status()


async def test_status_tells_a_fleet_with_data_only_from_no_fleet(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    await target.down(IGNORE_REPORT, delete_data=False)
    with pytest.raises(NoFleet, match="only its queues, ledger and store"):
        await target.status()


async def test_missing_capacity_is_a_problem(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    account.autoscaling.capacity = False
    with trio.move_on_after(200):
        await target.scale(WORKER, 2, IGNORE_REPORT)
    status = await target.status()
    assert any("sufficient c7i.large capacity" in problem for problem in status.problems)
    assert status.pools["worker"].pending == 2


async def test_crashed_worker_is_a_problem_until_it_runs_again(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 2)
    running(account)[0].fail("OutOfMemoryError: Container killed due to memory usage")
    await trio.sleep(10)
    assert any("OutOfMemoryError" in problem for problem in (await target.status()).problems)
    await trio.sleep(120)
    assert (await target.status()).problems == ()


async def test_count_set_by_hand_over_autoscaling_is_a_note(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORE_REPORT)
    assert (await target.status()).pools["worker"].scaling == "0 to 4"
    await target.scale(WORKER, 1, IGNORE_REPORT)
    assert any("autoscaling is suspended" in note for note in (await target.status()).notes)


async def test_logs_of_all_workers_are_shown_oldest_first(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 3)
    lines = list[tuple[str, str]]()
    await target.logs(WORKER, 10, follow=False, write=lambda source, text: lines.append((source, text)))
    assert len({source for source, _ in lines}) == 3
    assert {text for _, text in lines} == {'{"action": "started"}'}


async def test_logs_request_no_more_lines_than_one_call_returns(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 1)
    lines = list[str]()
    await target.logs(WORKER, 1_000_000, follow=False, write=lambda _, text: lines.append(text))
    assert lines == ['{"action": "started"}']


async def test_followed_logs_show_each_new_line_once(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 1)
    lines = list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow, target, lines)
        await trio.sleep(20)
        account.settle()
        group = f"/cloudkon/{NAME}/worker"
        (stream,) = account.logs.groups.get(group)
        account.logs.write(group, stream, '{"action": "claimed"}')
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert lines == ['{"action": "started"}', '{"action": "claimed"}']


async def test_logs_of_one_task_show_only_its_lines(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 1)
    group = f"/cloudkon/{NAME}/worker"
    (stream,) = account.logs.groups.get(group)
    for task in ("r/1", "r/11"):
        account.logs.write(group, stream, f'{{"task": "{task}"}}')
    lines = list[str]()
    await target.logs(WORKER, 10, follow=False, write=lambda _, text: lines.append(text), task="r/1")
    assert lines == ['{"task": "r/1"}']


async def _follow(target: AwsTarget, lines: list[str]) -> None:
    await target.logs(WORKER, 10, follow=True, write=lambda _, text: lines.append(text))
