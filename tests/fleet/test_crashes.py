"""``up``, ``up --refresh`` or ``down`` crashes at any call; another run completes it, and ``down`` leaves nothing.

Every call is a crash point before it takes effect, and every call that changes something also after. Of the polls while
a stack or a refresh works, one in ``POLLS`` is a crash point: the account continues on its own between them.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.target_options import Sizing
from tests.fleet.double.account import AMI_PARAMETERS, Account
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME
from tests.fleet.double.stack_record import LAG_SECONDS
from tests.fleet.fleet_steps import (
    IGNORE_REPORT,
    Crash,
    left,
    run_until_crash,
    running,
    start_workers,
    the_group,
    worker_service,
)

pytestmark = pytest.mark.long

POLLS = 10
POLLED_BY_REFRESH = ("autoscaling", "ecs", "ec2")
FIRST_OF_REFRESH = "UpdateContainerInstancesState"
"""Before it, ``up --refresh`` is an ``up``."""
SHARES = 8
"""The number of tests that share the crash points, to limit the time of each."""
READS = ("Describe", "Get", "List", "Filter")
Step = Callable[[Account, AwsTarget], Awaitable[None]]
CrashPoint = tuple[str, int]
"""``before`` or ``after`` a call takes effect, and the call's number from 1; ``("", 0)`` means no crash."""
NO_CRASH: CrashPoint = ("", 0)


@pytest.fixture(autouse=True)
def skip_response_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other tests check these answers against AWS's model; here it would take half the time."""
    monkeypatch.setattr(ActiveBackend, "skips_response_checks", True)
    monkeypatch.setattr(ActiveBackend, "backend", None)


@pytest.fixture(scope="module")
def crash_points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Step, list[CrashPoint]]]:
    """Find the crash points of each verb in a run without a crash."""
    path = tmp_path_factory.mktemp("without-crash")
    yield {
        _up: list(_crash_points(path / "up", _nothing, _up)),
        _down: list(_crash_points(path / "down", _workers, _down)),
        _refresh: list(
            _crash_points(path / "refresh", _old_workers, _refresh, polled=POLLED_BY_REFRESH, first=FIRST_OF_REFRESH)
        ),
    }
    ActiveBackend.backend = None


async def _nothing(account: Account, target: AwsTarget) -> None:
    """Begin with an empty account."""


async def _workers(account: Account, target: AwsTarget) -> None:
    await start_workers(account, target, 2)


async def _old_workers(account: Account, target: AwsTarget) -> None:
    """Begin with a fleet that is full, whose instances are older than its launch template."""
    await target.up(IGNORE_REPORT, Sizing(max_instances=2))
    await start_workers(account, target, 8)
    account.ssm |= dict.fromkeys(AMI_PARAMETERS, "ami-0fedcba9876543210")
    await target.up(IGNORE_REPORT)


async def _refresh(account: Account, target: AwsTarget) -> None:
    await target.up(IGNORE_REPORT, refresh=True)
    # If the last old instance went before the crash, nothing is left to do but to wait for its workers.
    await trio.sleep(600)


async def _up(account: Account, target: AwsTarget) -> None:
    await target.up(IGNORE_REPORT)


async def _down(account: Account, target: AwsTarget) -> None:
    await target.down(IGNORE_REPORT, delete_data=True)


def test_crash_points_exist(crash_points: dict[Step, list[CrashPoint]]) -> None:
    assert all(len(found) > SHARES for found in crash_points.values())


@pytest.mark.parametrize("share", range(SHARES))
def test_up_that_crashes_anywhere_is_completed_by_another_up(
    tmp_path: Path, crash_points: dict[Step, list[CrashPoint]], share: int
) -> None:
    for point in crash_points[_up][share::SHARES]:
        path = tmp_path / "-".join(map(str, point))
        account = _run_with_crash(path, _nothing, _up, point)
        states = {name: stack.status for name, stack in account.cloudformation.stacks.items()}
        assert states == {f"{NAME}-data": "CREATE_COMPLETE", f"{NAME}-compute": "UPDATE_COMPLETE"}, point
        assert worker_service(account).desired == 0, point
        assert the_group(account).protects_new, point
        assert the_group(account).suspended == {"AZRebalance"}, point


@pytest.mark.parametrize("share", range(SHARES))
def test_up_that_crashes_anywhere_leaves_nothing_after_down(
    tmp_path: Path, crash_points: dict[Step, list[CrashPoint]], share: int
) -> None:
    for point in crash_points[_up][share::SHARES]:
        account = _run_with_crash(tmp_path / "-".join(map(str, point)), _nothing, _up, point, then=_down)
        assert left(account) == [], point


@pytest.mark.parametrize("share", range(SHARES))
def test_refresh_that_crashes_anywhere_is_completed_by_another(
    tmp_path: Path, crash_points: dict[Step, list[CrashPoint]], share: int
) -> None:
    for point in crash_points[_refresh][share::SHARES]:
        account = _run_with_crash(tmp_path / "-".join(map(str, point)), _old_workers, _refresh, point)
        group = the_group(account)
        assert {one.template["Version"] for one in group.staying} == {group.launch_template()["Version"]}, point
        assert not any(one.draining for one in account.ecs.clusters.get(NAME).instances), point
        assert len(running(account)) == 8, point


@pytest.mark.parametrize("share", range(SHARES))
def test_down_that_crashes_anywhere_is_completed_by_another_down(
    tmp_path: Path, crash_points: dict[Step, list[CrashPoint]], share: int
) -> None:
    for point in crash_points[_down][share::SHARES]:
        account = _run_with_crash(tmp_path / "-".join(map(str, point)), _workers, _down, point)
        assert left(account) == [], point


@pytest.mark.parametrize("share", range(SHARES))
def test_down_that_crashes_anywhere_can_be_reverted_by_up(
    tmp_path: Path, crash_points: dict[Step, list[CrashPoint]], share: int
) -> None:
    for point in crash_points[_down][share::SHARES]:
        account = _run_with_crash(tmp_path / "-".join(map(str, point)), _workers, _down, point, then=_up)
        assert worker_service(account).status == "ACTIVE", point
        assert the_group(account).protects_new, point


def _crash_points(
    path: Path, before: Step, verb: Step, *, polled: tuple[str, ...] = ("cloudformation",), first: str = ""
) -> Iterator[CrashPoint]:
    """Yield the verb's crash points, from the operation ``first`` on.

    ``polled`` are the services of which the verb reads the state again and again.
    """
    following, finished, begun = 0, set[int](), not first
    calls = _run_with_crash(path, before, verb, finished=finished).calls
    for number, call in enumerate(calls, 1):
        begun = begun or call.operation == first
        reconcile = call.operation.startswith(READS)
        following = following + 1 if reconcile and call.service in polled else 0
        if begun and following % POLLS == 0:
            yield "before", number
        if begun and not reconcile and number in finished:
            yield "after", number


def _run_with_crash(
    path: Path,
    before: Step,
    verb: Step,
    point: CrashPoint = NO_CRASH,
    then: Step | None = None,
    finished: set[int] | None = None,
) -> Account:
    """Crash a verb at a point on a fresh account, then run it or another one to its end.

    ``finished`` gets the numbers of calls that the account did not refuse.
    """
    ActiveBackend.backend = account = Account()

    async def scenario() -> None:
        await before(account, _target(path))
        account.calls.clear()
        _set_crash_point(account, point, finished)
        crashed = await run_until_crash(verb(account, _target(path)))
        assert crashed == (point != NO_CRASH), point
        _set_crash_point(account, NO_CRASH)
        if crashed:
            # The time until a person or a script runs it again; until then CloudFormation may show an old status.
            await trio.sleep(2 * LAG_SECONDS)
            await (then or verb)(account, _target(path))
        account.settle()

    trio.run(scenario, clock=trio.testing.MockClock(autojump_threshold=0))
    return account


def _set_crash_point(account: Account, point: CrashPoint, finished: set[int] | None = None) -> None:
    def crash(when: str, number: int) -> None:
        if when == "after" and finished is not None:
            finished.add(number)
        if (when, number) == point:
            raise Crash(f"{when} call {number}")

    account.before = lambda number, _: crash("before", number)
    account.after = lambda number, _: crash("after", number)


def _target(path: Path) -> AwsTarget:
    settings = Settings(target="aws", fleet=NAME, region="us-east-1", state_dir=path)
    return AwsTarget(settings, DoubleConnection(settings), DoubleClock())
