"""A fleet's whole life under each reading of AWS's documents, and under all of them at once."""

from dataclasses import dataclass

import pytest
import trio
import trio.testing

from cloudkon.aws.waker import EcsWaker
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double.account import Account
from tests.fleet.double.clients import ActiveBackend, client
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.readings import NO_POINTS_NO_RESULT, SURVIVED, ZEROS_LEFT_OUT, Reading
from tests.fleet.double.real_templates import NAME
from tests.fleet.engine import PushingEngine
from tests.fleet.fleet_steps import left, running, worker_service
from tests.fleet.iam_gate.stack_steps import DEMANDED, judge_step

TAGGED = Sizing(tags={DEMANDED: "seven"})
SILENT = {NO_POINTS_NO_RESULT, ZEROS_LEFT_OUT}
"""Readings under which, together, no alarm can see that nobody works."""
WAKE_SECONDS = 1500.0
"""The latest metrics, the alarm's five minutes, and a margin."""


@dataclass
class Life:
    """One fleet, from an empty account and back to it. Each step checks what it has brought about."""

    account: Account
    engine: PushingEngine
    target: AwsTarget
    waker: EcsWaker
    reports: list[str]

    async def begin(self) -> None:
        await self.target.up(self.reports.append, TAGGED)
        (group,) = self.account.autoscaling.groups
        assert group.protects_new
        assert group.suspended == {"AZRebalance"}
        await self.deploy("layer")

    async def deploy(self, layer: str) -> None:
        self.engine.images["cloudkon/worker:latest"] = layer
        image = (await self.target.publish((WORKER,), self.reports.append))["worker"]
        await self.target.deploy((WORKER,), "", self.reports.append)
        assert {task.definition["containerDefinitions"][0]["image"] for task in running(self.account)} <= {image}

    async def scale(self, count: int) -> None:
        await self.target.scale(WORKER, count, self.reports.append)
        assert len(running(self.account)) == count

    async def drain_an_instance(self) -> None:
        """Drain an instance with a protected task: whether that stops or not, the count comes back."""
        busy = running(self.account)[0]
        await self._protect(busy.arn)
        assert busy.on is not None
        self.account.ecs.drain(busy.on.instance)
        await trio.sleep(1200)
        assert len(running(self.account)) == worker_service(self.account).desired

    async def wake_from_zero(self) -> None:
        await self.target.autoscale(WORKER, AutoscaleRange(0, 4, 10), self.reports.append)
        queue = self.account.sqs.queues.get(f"{NAME}-worker")
        queue.visible = 25
        await trio.sleep(WAKE_SECONDS)
        if self.account.readings >= SILENT:
            assert worker_service(self.account).desired == 0
            await self.waker.wake({"worker": 25})
        assert worker_service(self.account).desired >= 1
        queue.visible, queue.in_flight, queue.received = 0, 5, 5
        await trio.sleep(WAKE_SECONDS)
        assert running(self.account)

    async def end(self) -> None:
        await self.target.down(self.reports.append, delete_data=False)
        assert f"{NAME}-data" in {name for name, one in self.account.cloudformation.stacks.items() if one.resources}
        await self.target.down(self.reports.append, delete_data=True)
        assert left(self.account) == []

    async def _protect(self, task: str) -> None:
        await trio.lowlevel.checkpoint()
        client("ecs").update_task_protection(cluster=NAME, tasks=[task], protectionEnabled=True, expiresInMinutes=10)


@pytest.fixture
def life(account: Account, settings: Settings, reports: list[str]) -> Life:
    account.judge_step = judge_step
    account.ecs.late_insights = True
    connection, engine = DoubleConnection(settings), PushingEngine(account, worker="layer")
    target = AwsTarget(settings, connection, DoubleClock(), engine.opened)
    return Life(account, engine, target, EcsWaker(connection), reports)


@pytest.mark.parametrize(
    "readings", [(), *((one,) for one in SURVIVED), SURVIVED], ids=["none", *map(str, SURVIVED), "all"]
)
async def test_whole_life_ends_well(
    life: Life,
    readings: tuple[Reading, ...],
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    # One life shows that the answers fit AWS's models.
    monkeypatch.setattr(ActiveBackend, "skips_response_checks", bool(readings))
    life.account.adopt(*readings)
    await life.begin()
    await life.scale(2)
    await life.deploy("newer layer")
    await life.drain_an_instance()
    await life.scale(1)
    await life.scale(0)
    await life.wake_from_zero()
    assert (await life.target.status()).pools["worker"].running
    await life.end()
