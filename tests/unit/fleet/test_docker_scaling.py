"""Scaling on a Docker engine starts, keeps and stops the right containers, and reports why one does not start."""

from dataclasses import replace

import pytest
import trio.testing

from cloudkon.errors import InvalidInput, NoFleet, ServiceError
from cloudkon.memory import memory_services
from cloudkon.model import ANIMOTO, WORKER
from cloudkon.settings import Settings
from fleet.docker import scaling
from fleet.docker.container import Container
from fleet.docker.target import DockerTarget
from tests.unit.fleet.docker_fake import FakeEngine, composed

pytestmark = pytest.mark.usefixtures("autojump_clock", "queues")


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "connect", lambda _settings: memory_services())


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine("cloudkon/worker:latest", "cloudkon/animoto:latest")
    made.add(
        Container(
            id="emulator",
            name="cloudkon-localstack-1",
            state="running",
            networks={"bridge": ("172.17.0.2",), "cloudkon": ("cloudkon-localstack-1", "localstack", "172.18.0.2")},
            published={4566: 4566},
        )
    )
    return made


@pytest.fixture
def target(engine: FakeEngine, tmp_path: object) -> DockerTarget:
    return DockerTarget(Settings(target="docker", state_dir=tmp_path, profile="mine"), engine.opened)  # type: ignore[arg-type]  # pytest's path is a Path


@pytest.fixture
def reported() -> list[str]:
    return []


async def test_workers_get_the_fleets_settings_and_endpoint(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.scale(WORKER, 2, reported.append)
    plan = engine.plans["cloudkon.worker.2"]
    assert plan.environment["CLOUDKON_TARGET"] == "docker"
    assert plan.environment["CLOUDKON_ENDPOINT_URL"] == "http://localstack:4566"
    assert "CLOUDKON_PROFILE" not in plan.environment  # no such file in the container
    assert plan.network == "cloudkon"
    assert plan.stop_seconds == 35
    assert plan.sealed
    assert [one.state for one in engine.held.values() if one.number] == ["running", "running"]


async def test_scaling_in_stops_the_newest_workers_together_with_their_grace(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.scale(WORKER, 4, reported.append)
    await target.scale(ANIMOTO, 1, reported.append)
    await target.scale(WORKER, 1, reported.append)
    assert engine.names == ["cloudkon-localstack-1", "cloudkon.animoto.1", "cloudkon.worker.1"]
    assert sorted(engine.stopped) == [(f"cloudkon.worker.{number}", 35) for number in (2, 3, 4)]
    assert engine.most_stopping == 3


async def test_scaling_to_the_same_count_changes_nothing(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.scale(WORKER, 2, reported.append)
    before = dict(engine.held)
    await target.scale(WORKER, 2, reported.append)
    assert engine.held == before


async def test_dead_workers_are_replaced_and_their_numbers_reused(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    await target.scale(WORKER, 3, reported.append)
    engine.change("cloudkon.worker.2", lambda one: replace(one, state="exited", exit_code=137, pid=0))
    first = engine.named("cloudkon.worker.2").id
    await target.scale(WORKER, 3, reported.append)
    assert engine.named("cloudkon.worker.2").running
    assert engine.named("cloudkon.worker.2").id != first
    assert "exit code 137" in reported[-1]


async def test_compose_workers_are_neither_counted_nor_stopped(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    engine.add(composed("cloudkon-worker-1", "worker", network="cloudkon"))
    await target.scale(WORKER, 1, reported.append)
    assert "1 of the pool's workers belong to a compose file" in "".join(reported)
    await target.scale(WORKER, 0, reported.append)
    assert engine.names == ["cloudkon-localstack-1", "cloudkon-worker-1"]


async def test_worker_that_dies_at_once_is_named_with_its_last_log_lines(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    engine.broken["cloudkon/worker:latest"] = "error: setting CLOUDKON_SLOTS='x': it is not a whole number"
    with pytest.RaisesGroup(
        pytest.RaisesExc(ServiceError, match=r"cloudkon.worker.1 does not stay up, exit code 2: error: setting")
    ):
        await target.scale(WORKER, 1, reported.append)


async def test_exit_code_is_read_at_the_next_exit_of_a_restarted_worker(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    engine.broken["cloudkon/worker:latest"] = "no work today"
    starting, name = engine.start, "cloudkon.worker.1"

    async def start_twice(identity: str, name: str) -> None:
        await starting(identity, name)
        engine.change(name, lambda one: replace(one, state="running", exit_code=0))

    engine.start = start_twice  # type: ignore[method-assign]  # one engine's, for this test
    with pytest.RaisesGroup(
        pytest.RaisesExc(ServiceError, match=r"exit code 2: no work today"), flatten_subgroups=True
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(target.scale, WORKER, 1, reported.append)
            await trio.sleep(1.0)
            engine.change(name, lambda one: replace(one, state="restarting", exit_code=2))


async def test_worker_without_a_logged_start_counts_after_the_settle_time(
    engine: FakeEngine,
    target: DockerTarget,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.unit.fleet.docker_fake.STARTED", "2026-01-01T00:00:00.000000000Z warning")
    began = autojump_clock.current_time()
    await target.scale(WORKER, 1, reported.append)
    assert autojump_clock.current_time() - began >= scaling.SETTLE_SECONDS


async def test_missing_image_is_reported_before_anything_is_changed(
    engine: FakeEngine, target: DockerTarget, reported: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    engine.images.clear()
    with pytest.raises(InvalidInput, match=r"cloudkon/worker:latest.*python -m fleet build"):
        await target.scale(WORKER, 1, reported.append)
    assert engine.names == ["cloudkon-localstack-1"]


async def test_environment_can_name_another_image_for_a_pool(
    engine: FakeEngine,
    target: DockerTarget,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.images["mine/worker:1"] = "sha256:mine"
    monkeypatch.setenv("CLOUDKON_WORKER_IMAGE", "mine/worker:1")
    await target.scale(WORKER, 1, reported.append)
    assert engine.plans["cloudkon.worker.1"].image == "mine/worker:1"


async def test_no_worker_starts_without_queues(
    engine: FakeEngine,
    target: DockerTarget,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(_settings: Settings) -> None:
        raise NoFleet("fleet 'cloudkon'", "not up", "Start it with: python -m fleet up")

    monkeypatch.setattr(scaling, "connect", nothing)
    with pytest.raises(NoFleet):
        await target.scale(WORKER, 1, reported.append)
    assert engine.names == ["cloudkon-localstack-1"]


async def test_workers_can_be_stopped_without_queues(
    engine: FakeEngine,
    target: DockerTarget,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await target.scale(WORKER, 1, reported.append)
    monkeypatch.delattr(scaling, "connect")
    await target.scale(WORKER, 0, reported.append)
    assert engine.names == ["cloudkon-localstack-1"]
