"""``up`` or ``down`` crashes at any call; another run completes it, and ``down`` leaves nothing.

Every call is a crash point before it takes effect, and every call that changes something also after. Of the polls while
a stack works, one in ``LOOKS`` is a crash point: the account continues on its own between them.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME
from tests.fleet.double.stack_record import LAG_SECONDS
from tests.fleet.fleet_steps import (
    IGNORE_REPORT,
    Crash,
    left,
    run_until_crash,
    start_workers,
    the_group,
    worker_service,
)

LOOKS = 10
SHARES = 8
"""The number of tests that share the crash points, to limit the time of each."""
READS = ("Describe", "Get", "List", "Filter")
Step = Callable[[Account, AwsTarget], Awaitable[None]]
Place = tuple[str, int]
"""``before`` or ``after`` a call takes effect, and the call's number from 1; ``("", 0)`` means no crash."""
NOWHERE: Place = ("", 0)


@pytest.fixture(autouse=True)
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other tests check these answers against AWS's model; here it would take half the time."""
    monkeypatch.setattr(ActiveBackend, "skips_response_checks", True)
    monkeypatch.setattr(ActiveBackend, "backend", None)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Step, list[Place]]]:
    """Find the crash points of each verb in a run without a crash."""
    path = tmp_path_factory.mktemp("living")
    yield {_up: list(_places(path / "up", _nothing, _up)), _down: list(_places(path / "down", _workers, _down))}
    ActiveBackend.backend = None


async def _nothing(account: Account, target: AwsTarget) -> None:
    """Begin with an empty account."""


async def _workers(account: Account, target: AwsTarget) -> None:
    await start_workers(account, target, 2)


async def _up(account: Account, target: AwsTarget) -> None:
    await target.up(IGNORE_REPORT)


async def _down(account: Account, target: AwsTarget) -> None:
    await target.down(IGNORE_REPORT, delete_data=True)


def test_crash_points_exist(places: dict[Step, list[Place]]) -> None:
    assert all(len(found) > SHARES for found in places.values())


@pytest.mark.parametrize("share", range(SHARES))
def test_up_that_crashes_anywhere_is_completed_by_another_up(
    tmp_path: Path, places: dict[Step, list[Place]], share: int
) -> None:
    for place in places[_up][share::SHARES]:
        path = tmp_path / "-".join(map(str, place))
        account = _live(path, _nothing, _up, place)
        states = {name: stack.status for name, stack in account.cloudformation.stacks.items()}
        assert states == {f"{NAME}-data": "CREATE_COMPLETE", f"{NAME}-compute": "UPDATE_COMPLETE"}, place
        assert worker_service(account).desired == 0, place
        assert the_group(account).protects_new, place
        assert the_group(account).suspended == {"AZRebalance"}, place


@pytest.mark.parametrize("share", range(SHARES))
def test_up_that_crashes_anywhere_leaves_nothing_after_down(
    tmp_path: Path, places: dict[Step, list[Place]], share: int
) -> None:
    for place in places[_up][share::SHARES]:
        account = _live(tmp_path / "-".join(map(str, place)), _nothing, _up, place, then=_down)
        assert left(account) == [], place


@pytest.mark.parametrize("share", range(SHARES))
def test_down_that_crashes_anywhere_is_completed_by_another_down(
    tmp_path: Path, places: dict[Step, list[Place]], share: int
) -> None:
    for place in places[_down][share::SHARES]:
        account = _live(tmp_path / "-".join(map(str, place)), _workers, _down, place)
        assert left(account) == [], place


@pytest.mark.parametrize("share", range(SHARES))
def test_down_that_crashes_anywhere_can_be_reverted_by_up(
    tmp_path: Path, places: dict[Step, list[Place]], share: int
) -> None:
    for place in places[_down][share::SHARES]:
        account = _live(tmp_path / "-".join(map(str, place)), _workers, _down, place, then=_up)
        assert worker_service(account).status == "ACTIVE", place
        assert the_group(account).protects_new, place


def _places(path: Path, before: Step, verb: Step) -> Iterator[Place]:
    """Yield the verb's crash points."""
    following = 0
    for number, call in enumerate(_live(path, before, verb).calls, 1):
        look = call.operation.startswith(READS)
        following = following + 1 if look and call.service == "cloudformation" else 0
        if following % LOOKS == 0:
            yield "before", number
        if not look:
            yield "after", number


def _live(path: Path, before: Step, verb: Step, place: Place = NOWHERE, then: Step | None = None) -> Account:
    """Crash a verb at a point on a fresh account, then run it or another one to its end."""
    ActiveBackend.backend = account = Account()

    async def life() -> None:
        await before(account, _target(path))
        account.calls.clear()
        _plan(account, place)
        died = await run_until_crash(verb(account, _target(path)))
        assert died == (place != NOWHERE), place
        _plan(account, NOWHERE)
        if died:
            # The time until a person or a script runs it again; until then CloudFormation may show an old status.
            await trio.sleep(2 * LAG_SECONDS)
            await (then or verb)(account, _target(path))
        account.settle()

    trio.run(life, clock=trio.testing.MockClock(autojump_threshold=0))
    return account


def _plan(account: Account, place: Place) -> None:
    def die(when: str, number: int) -> None:
        if (when, number) == place:
            raise Crash(f"{when} call {number}")

    account.before = lambda number, _: die("before", number)
    account.after = lambda number, _: die("after", number)


def _target(path: Path) -> AwsTarget:
    settings = Settings(target="aws", fleet=NAME, region="us-east-1", state_dir=path)
    return AwsTarget(settings, DoubleConnection(settings), DoubleClock())
