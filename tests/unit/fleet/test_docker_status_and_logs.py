"""The docker target's status shows problems and notes; its logs are merged by time."""

from dataclasses import replace

import pytest
import trio.testing

from cloudkon.errors import NoFleet, Unavailable
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.docker import snapshot
from fleet.docker.target import DockerTarget
from tests.unit.fleet.docker_fake import FakeEndpoint, FakeEngine, composed


async def test_status_marks_compose_workers(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    await target.scale(WORKER, 1, reported.append)
    engine.add(composed("cloudkon-worker-1", "worker"))
    engine.add(composed("other-worker-1", "worker", CLOUDKON_FLEET="other"))
    engine.add(replace(composed("stranger-worker-1", "worker"), environment={}))
    engine.add(composed("elsewhere-worker-1", "worker", network="elsewhere"))
    found = await target.status()
    assert [one.name for one in found.pools["worker"].workers] == ["cloudkon.worker.1", "cloudkon-worker-1 (compose)"]
    assert found.pools["worker"].backlog is not None
    assert found.problems == ()
    assert "pool worker: 1 of its workers belong to a compose file" in found.notes[0]


async def test_status_names_each_worker_with_its_problem(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    await target.scale(WORKER, 4, reported.append)
    engine.change("cloudkon.worker.1", lambda one: replace(one, state="exited", exit_code=137, pid=0))
    engine.change("cloudkon.worker.2", lambda one: replace(one, state="restarting", out_of_memory=True, pid=0))
    engine.change("cloudkon.worker.3", lambda one: replace(one, health="unhealthy"))
    engine.images["cloudkon/worker:latest"] = "sha256:newer"
    found = await target.status()
    first, second, third = found.problems
    assert "cloudkon.worker.1 does not run (exited, exit code 137)" in first
    assert "cloudkon.worker.2 does not stay up, it ran out of memory" in second
    assert "cloudkon.worker.3 makes no progress" in third
    assert (found.pools["worker"].desired, found.pools["worker"].running) == (4, 2)
    assert "pool worker: 4 of its workers run another image than the current cloudkon/worker:latest" in found.notes[0]


async def test_status_after_localstack_lost_its_data_names_the_remedy(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    engine.change("cloudkon.localstack", lambda one: replace(one, restarts=1))
    assert "push --run" in (await target.status()).problems[0]


async def test_status_without_a_fleet_names_the_command_that_starts_one(
    target: DockerTarget, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_settings: Settings) -> None:
        raise Unavailable("endpoint: nothing answers there")

    monkeypatch.setattr(snapshot, "connect", nothing)
    with pytest.raises(NoFleet, match=r"Start it with: python -m fleet up"):
        await target.status()


async def test_logs_are_sorted_by_time_and_written_once(
    engine: FakeEngine, target: DockerTarget, autojump_clock: trio.testing.MockClock
) -> None:
    engine.add(replace(composed("cloudkon-localstack-1", "localstack"), published={4566: 4566}))
    for name in ("cloudkon-worker-1", "cloudkon-worker-2"):
        engine.add(composed(name, "worker"))
    engine.log_lines = {
        "cloudkon-worker-1": ["2026-01-01T00:00:00.000000001Z first", "2026-01-01T00:00:03.000000000Z third"],
        "cloudkon-worker-2": ["2026-01-01T00:00:02.000000000Z second"],
    }
    lines: list[tuple[str, str]] = []

    def write(source: str, text: str) -> None:
        lines.append((source, text))

    async def read(*, follow: bool) -> None:
        await target.logs(WORKER, 20, follow=follow, write=write)

    await read(follow=False)
    assert [text for _, text in lines] == ["first", "second", "third"]
    lines.clear()
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: read(follow=True))
            await trio.sleep(2)
            engine.log_lines["cloudkon-worker-2"].append("2026-01-01T00:00:04.000000000Z fourth")
            engine.add(composed("cloudkon-worker-3", "worker"))
            engine.log_lines["cloudkon-worker-3"] = ["2026-01-01T00:00:05.000000000Z fifth"]
    assert [text for _, text in lines] == ["first", "second", "third", "fourth", "fifth"]
    assert lines[-1][0] == "cloudkon-worker-3"


async def test_logs_without_workers_name_the_command_that_starts_some(target: DockerTarget) -> None:
    with pytest.raises(NoFleet, match="no workers"):
        await target.logs(None, 20, follow=False, write=lambda _source, _text: None)
