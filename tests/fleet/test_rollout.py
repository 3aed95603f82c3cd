"""``publish`` and ``deploy`` on AWS: images tagged by content, rolled out to workers, and rolled back."""

from typing import Any

import pytest
import trio
import trio.testing

from cloudkon.errors import InvalidInput, NoFleet, ServiceError
from cloudkon.model import ANIMOTO, POOLS, WORKER
from cloudkon.settings import Settings
from fleet.aws import diagnosis
from fleet.aws.launch_failures import LaunchFailure
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME, publish
from tests.fleet.engine import PushingEngine
from tests.fleet.fleet_steps import (
    IGNORE_REPORT,
    lacking_capacity,
    running,
    start_workers,
    the_group,
    worker_service,
)


@pytest.fixture
def engine(account: Account) -> PushingEngine:
    return PushingEngine(account, worker="one", animoto="two")


@pytest.fixture
def target(settings: Settings, engine: PushingEngine) -> AwsTarget:
    return AwsTarget(settings, DoubleConnection(settings), DoubleClock(), opened=engine.opened)


async def test_built_images_are_published_deployed_and_run(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    published = await target.publish(POOLS, IGNORE_REPORT)
    assert await target.deploy(POOLS, "", IGNORE_REPORT) == published
    await target.scale(WORKER, 1, IGNORE_REPORT)
    assert [_image(task.definition) for task in running(account)] == [published["worker"]]


async def test_published_image_is_not_pushed_again(
    account: Account, target: AwsTarget, engine: PushingEngine, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    first = await target.publish((WORKER,), IGNORE_REPORT)
    assert await target.publish((WORKER,), IGNORE_REPORT) == first
    assert engine.pushed == [first["worker"]]
    engine.images["cloudkon/worker:latest"] = "changed"
    assert await target.publish((WORKER,), IGNORE_REPORT) != first


async def test_missing_image_prevents_every_push(
    account: Account, target: AwsTarget, engine: PushingEngine, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    del engine.images["cloudkon/animoto:latest"]
    with pytest.raises(InvalidInput, match="python -m fleet build"):
        await target.publish((WORKER, ANIMOTO), IGNORE_REPORT)
    assert engine.pushed == []


async def test_image_of_another_architecture_is_refused(
    account: Account, target: AwsTarget, engine: PushingEngine, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(architecture="arm64"))
    with pytest.raises(InvalidInput, match="its architecture is amd64"):
        await target.publish((WORKER,), IGNORE_REPORT)


async def test_publish_without_fleet_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(NoFleet):
        await target.publish((WORKER,), IGNORE_REPORT)


async def test_new_image_replaces_all_workers_and_keeps_their_count(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 4)
    image = publish(account, tag="two")
    await target.deploy((WORKER,), "two", IGNORE_REPORT)
    assert [_image(task.definition) for task in running(account)] == [image] * 4


async def test_unpublished_image_is_refused(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 1)
    with pytest.raises(InvalidInput, match="not published"):
        await target.deploy((WORKER,), "nine", IGNORE_REPORT)


async def test_failed_deployment_is_rolled_back_and_reported(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await start_workers(account, target, 2)
    bad = publish(account, tag="bad")

    def lose_it(line: str) -> None:
        if line.startswith("WorkerService: update in progress"):
            account.ecr.repositories.get(f"{NAME}/worker").images.pop(bad.rpartition(":")[2], None)

    with pytest.raises(ServiceError, match=r"WorkerService.*Circuit Breaker.*worker:one, as before"):
        await target.deploy((WORKER,), "bad", lose_it)
    assert worker_service(account).desired == 2
    assert [_image(task.definition).rpartition(":")[2] for task in running(account)] == ["one", "one"]
    await target.scale(WORKER, 3, IGNORE_REPORT)
    assert len(running(account)) == 3


async def test_deploy_without_capacity_says_so_and_goes_on_once_there_is_some(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    image = await start_full_instance(account, target)
    await target.deploy((WORKER,), "two", lacking_capacity(account, reports, until="do not have sufficient"))
    assert any("rolling out (Ctrl-C stops only the waiting" in line for line in reports)
    assert any(line.startswith("no capacity: We currently do not have sufficient") for line in reports)
    assert [_image(task.definition) for task in running(account)] == [image]


async def test_up_without_capacity_says_so(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_instance(account, target)
    report = lacking_capacity(account, reports, until="do not have sufficient")
    await target.up(report, Sizing(memory={"worker": 3100}))
    assert any(line.startswith("no capacity: We currently do not have sufficient") for line in reports)
    assert [task.memory for task in running(account)] == [3100]


async def test_hopeless_deploy_is_cancelled_and_rolled_back(
    account: Account, target: AwsTarget, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_instance(account, target)
    make_missing_capacity_hopeless(monkeypatch)
    report = lacking_capacity(account, [], until="cancelling the update")
    started = trio.current_time()
    with pytest.raises(
        ServiceError, match=r"no capacity: .*update was cancelled, and the stack rolled back.*as before"
    ):
        await target.deploy((WORKER,), "two", report)
    assert trio.current_time() - started < 1800
    assert account.cloudformation.stacks[f"{NAME}-compute"].status == "UPDATE_ROLLBACK_COMPLETE"
    assert [_image(task.definition).rpartition(":")[2] for task in running(account)] == ["one"]


async def test_rollback_that_waits_for_the_same_is_not_waited_for(
    account: Account, target: AwsTarget, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_instance(account, target)
    make_missing_capacity_hopeless(monkeypatch)
    account.autoscaling.capacity = False
    with pytest.raises(ServiceError, match=r"was cancelled, but its rollback waits for the same.*fleet status"):
        await target.deploy((WORKER,), "two", IGNORE_REPORT)
    assert len(running(account)) == 1


async def test_hopeless_deploy_that_may_not_be_cancelled_says_how(
    account: Account, target: AwsTarget, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_instance(account, target)
    make_missing_capacity_hopeless(monkeypatch)
    account.autoscaling.capacity = False

    def refuse(_: int, call: Call) -> None:
        if call.operation == "CancelUpdateStack":
            raise ApiError("AccessDenied", "not authorized to perform: cloudformation:CancelUpdateStack", 403)

    account.before = refuse
    with pytest.raises(ServiceError, match=r"could not be cancelled.*aws cloudformation cancel-update-stack"):
        await target.deploy((WORKER,), "two", IGNORE_REPORT)
    assert account.cloudformation.stacks[f"{NAME}-compute"].status == "UPDATE_IN_PROGRESS"


async def test_change_that_another_command_began_is_not_cancelled(
    account: Account, target: AwsTarget, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    await start_full_instance(account, target)
    make_missing_capacity_hopeless(monkeypatch)
    account.autoscaling.capacity = False
    with trio.CancelScope() as scope:
        await target.deploy((WORKER,), "two", lambda line: scope.cancel() if "WorkerService: update" in line else None)
    for verb in (target.up(IGNORE_REPORT), target.autoscale(WORKER, AutoscaleRange(0, 1, 5), IGNORE_REPORT)):
        with pytest.raises(ServiceError, match=r"no capacity: .*Nothing was done: .*still in progress"):
            await verb
    assert account.cloudformation.stacks[f"{NAME}-compute"].status == "UPDATE_IN_PROGRESS"


async def test_older_image_is_deployed_by_the_tag_that_publish_reports(
    target: AwsTarget, engine: PushingEngine, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    old = await target.publish((WORKER,), IGNORE_REPORT)
    await trio.sleep(60)
    engine.images["cloudkon/worker:latest"] = "three"
    new = await target.publish((WORKER,), IGNORE_REPORT)
    assert await target.deploy((WORKER,), "", IGNORE_REPORT) == new
    engine.images["cloudkon/worker:latest"] = "one"
    await target.publish((WORKER,), reports.append)
    tag = old["worker"].rpartition(":")[2]
    assert reports[-1].endswith(f"deploy --pool worker --tag {tag}")
    assert await target.deploy((WORKER,), tag, IGNORE_REPORT) == old


async def test_deploy_without_published_image_changes_nothing(
    target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT)
    assert await target.deploy(POOLS, "", reports.append) == {}
    assert "nothing to deploy: images and settings are up to date" in reports


async def start_full_instance(account: Account, target: AwsTarget) -> str:
    """Start one worker that fills its only instance, so that another one needs a second; return the next image."""
    await target.up(IGNORE_REPORT, Sizing(memory={"worker": 3000}))
    await start_workers(account, target, 1)
    # The second instance of the first step from zero is idle, and goes.
    await trio.sleep(1800)
    assert len(the_group(account).instances) == 1
    return publish(account, tag="two")


def make_missing_capacity_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the diagnosis count missing capacity as permanent."""

    def explain(reason: str, *_: object, **__: object) -> LaunchFailure:
        return LaunchFailure(f"no capacity: {reason}", permanent=True)

    monkeypatch.setattr(diagnosis, "explain_launch_failure", explain)


def _image(definition: dict[str, Any]) -> str:
    return str(definition["containerDefinitions"][0]["image"])


@pytest.mark.parametrize(
    ("sizing", "platform"), [(Sizing(), "linux/amd64"), (Sizing(architecture="arm64"), "linux/arm64")]
)
async def test_images_are_built_for_the_fleets_instances(
    target: AwsTarget,
    engine: PushingEngine,
    sizing: Sizing,
    platform: str,
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(IGNORE_REPORT, sizing)
    await target.build(POOLS, IGNORE_REPORT)
    assert engine.built_for == {"cloudkon/worker:latest": platform, "cloudkon/animoto:latest": platform}


async def test_images_are_built_for_x86_before_the_first_up(target: AwsTarget, engine: PushingEngine) -> None:
    await target.build((WORKER,), IGNORE_REPORT)
    assert engine.built_for == {"cloudkon/worker:latest": "linux/amd64"}


async def test_images_can_be_built_without_credentials(
    account: Account, target: AwsTarget, engine: PushingEngine, reports: list[str]
) -> None:
    account.sts.expired = True
    await target.build((WORKER,), reports.append)
    assert engine.built_for == {"cloudkon/worker:latest": "linux/amd64"}
    assert "architecture can't be read, so it is taken to be x86_64" in reports[0]


async def test_named_platform_overrides_the_fleets(
    account: Account, target: AwsTarget, engine: PushingEngine, reports: list[str]
) -> None:
    await target.build((WORKER,), reports.append, "linux/arm64")
    assert engine.built_for == {"cloudkon/worker:latest": "linux/arm64"}
    assert reports[0] == "building cloudkon/worker:latest for linux/arm64"
    assert account.calls == []
