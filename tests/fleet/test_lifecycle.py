"""A fleet's whole life on the double, from an empty account and back."""

import trio.testing

from cloudkon.model import WORKER
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account
from tests.fleet.double.real_templates import NAME, TAG, publish


async def test_fleet_goes_from_nothing_to_workers_and_back(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(reports.append)
    publish(account, tag="one")
    await target.deploy((WORKER,), "one", reports.append)
    await target.scale(WORKER, 5, reports.append)
    assert (await target.status()).pools["worker"].running == 5
    await target.scale(WORKER, 2, reports.append)
    assert (await target.status()).pools["worker"].running == 2
    await target.down(reports.append, delete_data=True)
    assert account.tags.arns(TAG, NAME) == []
