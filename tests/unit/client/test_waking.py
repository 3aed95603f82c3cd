"""Submitting a run wakes the fleet before its first message."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client import Fleet
from client.push.submit import PushEvents, submit, submit_again
from client.records.pushes import Pushes
from cloudkon.errors import EXIT_OK
from cloudkon.model import WORKER
from cloudkon.ports import Services
from cloudkon.settings import Settings
from tests.support.client_doubles import chunks_on, stage_text
from tests.unit.client.commands import Client

WOKEN = "pool worker was at zero: 3 workers are being started"


class RecordingWaker:
    """Records each call, with the number of messages that were on the queue at that moment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.calls: list[tuple[dict[str, int], int]] = []

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:
        depth = await self._services.queues[WORKER.name].depth()
        self.calls.append((dict(chunks), depth.visible))
        return (WOKEN,)


@pytest.fixture
def waker(services: Services) -> RecordingWaker:
    return RecordingWaker(services)


@pytest.fixture
def sleeping(services: Services, waker: RecordingWaker) -> Services:
    return replace(services, waker=waker)


def test_push_command_wakes_the_pools_it_sends_to_first(
    client: Client, sleeping: Services, waker: RecordingWaker, capsys: pytest.CaptureFixture[str]
) -> None:
    client("generate", "25", "sleep", "10")
    assert client("push", "--chunk", "10", fleet=sleeping) == EXIT_OK
    assert waker.calls == [({"worker": 3}, 0)]
    assert WOKEN in capsys.readouterr().err
    assert len(trio.run(chunks_on, sleeping.queues[WORKER.name])) == 3


async def test_submit_with_silent_events_wakes_the_fleet_before_the_first_message(
    sleeping: Services, waker: RecordingWaker, pushes: Pushes, tmp_path: Path
) -> None:
    with stage_text("sleep 1\n" * 25, tmp_path, 10) as staged:
        await submit(sleeping, Settings(), staged, pushes)
    assert waker.calls == [({"worker": 3}, 0)]
    assert len(await chunks_on(sleeping.queues[WORKER.name])) == 3


async def test_submitting_a_run_again_wakes_the_fleet_and_reports_it(
    sleeping: Services, waker: RecordingWaker, pushes: Pushes, tmp_path: Path
) -> None:
    reports: list[str] = []
    with stage_text("sleep 1\n", tmp_path) as staged:
        run = (await submit(sleeping, Settings(), staged, pushes)).run
        await chunks_on(sleeping.queues[WORKER.name])
        await submit_again(sleeping, Settings(), run, staged, pushes, PushEvents(on_woken=reports.append))
    assert waker.calls == [({"worker": 1}, 0), ({"worker": 1}, 0)]
    assert reports == [WOKEN]


def test_fleet_submit_wakes_the_fleet(sleeping: Services, waker: RecordingWaker, tmp_path: Path) -> None:
    with Fleet(Settings(state_dir=tmp_path), services=sleeping) as fleet:
        fleet.submit(["sleep 1"] * 25, chunk=10)
    assert waker.calls == [({"worker": 3}, 0)]
