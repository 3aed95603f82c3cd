"""Throttled calls and lost answers, at any call of the verbs that change something."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from botocore.exceptions import ReadTimeoutError

from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import throttled
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME, publish
from tests.fleet.fleet_steps import IGNORE_REPORT, left, running, start_workers

OWN_BACKOFF = ("sqs", "dynamodb", "s3")
"""Services whose calls botocore or the adapters repeat themselves: a failed call has been repeated already."""
Disturbance = Callable[[Account], None]


def _throttle_each_first(account: Account) -> None:
    """Refuse the first two calls of each operation."""
    refused: dict[str, int] = {}

    def refuse(_: int, call: Call) -> None:
        if call.service not in OWN_BACKOFF and refused.setdefault(str(call), 0) < 2:
            refused[str(call)] += 1
            raise throttled()

    account.before = refuse


def _lose_each_first_answer(account: Account) -> None:
    """Let the first call of each operation take effect and lose its answer."""
    lost: set[str] = set()

    def remove_instance(_: int, call: Call) -> None:
        if call.service not in OWN_BACKOFF and str(call) not in lost:
            lost.add(str(call))
            raise ReadTimeoutError(endpoint_url=f"https://{call.service}.amazonaws.com")

    account.after = remove_instance


@pytest.mark.parametrize("disturb", [_throttle_each_first, _lose_each_first_answer])
def test_every_verb_succeeds_despite_failing_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disturb: Disturbance
) -> None:
    account = Account()
    monkeypatch.setattr(ActiveBackend, "backend", account)

    async def scenario() -> None:
        async def step(verb: Callable[[AwsTarget], Awaitable[object]]) -> None:
            disturb(account)
            await verb(_target(tmp_path))

        await step(lambda target: target.up(IGNORE_REPORT))
        publish(account)
        await step(lambda target: target.deploy((WORKER,), "one", IGNORE_REPORT))
        await step(lambda target: target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORE_REPORT))
        await step(lambda target: target.scale(WORKER, 3, IGNORE_REPORT))
        assert len(running(account)) == 3
        await step(lambda target: target.status())
        await step(lambda target: target.down(IGNORE_REPORT, delete_data=True))
        assert left(account) == []

    trio.run(scenario, clock=trio.testing.MockClock(autojump_threshold=0))
    assert {"cloudformation.ExecuteChangeSet", "ecs.UpdateService", "autoscaling.UpdateAutoScalingGroup"} <= {
        str(call) for call in account.calls
    }


@pytest.mark.parametrize("disturb", [_throttle_each_first, _lose_each_first_answer])
def test_forced_down_succeeds_despite_failing_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disturb: Disturbance
) -> None:
    account = Account()
    monkeypatch.setattr(ActiveBackend, "backend", account)

    async def scenario() -> None:
        await start_workers(account, _target(tmp_path), 1)
        (cluster,) = account.ecs.clusters
        for one in cluster.instances:
            one.connected = False
        disturb(account)
        await _target(tmp_path).down(IGNORE_REPORT, delete_data=True)
        assert left(account) == []

    trio.run(scenario, clock=trio.testing.MockClock(autojump_threshold=0))
    assert {"autoscaling.DeleteAutoScalingGroup", "ecs.DeregisterContainerInstance"} <= {
        str(call) for call in account.calls
    }


def _target(path: Path) -> AwsTarget:
    settings = Settings(target="aws", fleet=NAME, region="us-east-1", state_dir=path)
    return AwsTarget(settings, DoubleConnection(settings), DoubleClock())
