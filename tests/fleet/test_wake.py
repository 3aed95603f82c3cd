"""A push wakes pools at zero, as their own scaling would later."""

import pytest
import trio.testing

from cloudkon.aws.waker import EcsWaker
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange
from tests.fleet.double.account import Account
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.connection import DoubleConnection
from tests.fleet.fleet_steps import IGNORE_REPORT, deploy_fleet, worker_service


@pytest.fixture
def waker(account: Account, settings: Settings) -> EcsWaker:
    return EcsWaker(DoubleConnection(settings))


@pytest.mark.parametrize(("chunks", "workers"), [(1, 1), (25, 3), (1000, 6)])
async def test_pool_at_zero_gets_the_count_for_its_backlog(
    account: Account,
    target: AwsTarget,
    waker: EcsWaker,
    chunks: int,
    workers: int,
    autojump_clock: trio.testing.MockClock,
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(0, 6, 10), IGNORE_REPORT)
    assert await waker.wake({"worker": chunks})
    assert worker_service(account).desired == workers


async def test_pool_with_workers_keeps_its_count(
    account: Account, target: AwsTarget, waker: EcsWaker, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(0, 6, 10), IGNORE_REPORT)
    await waker.wake({"worker": 1})
    await waker.wake({"worker": 1000})
    assert worker_service(account).desired == 1


async def test_pool_set_to_zero_by_hand_stays_at_zero_and_is_reported(
    account: Account, target: AwsTarget, waker: EcsWaker, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(0, 6, 10), IGNORE_REPORT)
    await target.scale(WORKER, 0, IGNORE_REPORT)
    (reports,) = await waker.wake({"worker": 5})
    assert "python -m fleet scale" in reports
    assert worker_service(account).desired == 0


async def test_push_succeeds_without_permission_to_wake(
    account: Account, waker: EcsWaker, autojump_clock: trio.testing.MockClock
) -> None:
    def deny(_: int, __: object) -> None:
        raise ApiError("AccessDeniedException", "not yours")

    account.before = deny
    (reports,) = await waker.wake({"worker": 5})
    assert "not yours" in reports
