"""The docker target's up, down and build: what they start, keep and remove, and their errors."""

import os
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio.testing

from cloudkon.errors import CloudKonError, InvalidInput, ServiceError
from cloudkon.model import POOLS, WORKER
from cloudkon.settings import Settings
from fleet.docker.build import build_images
from fleet.docker.docker_errors import NoEngine, engine_unreachable
from fleet.docker.engine import Engine
from fleet.docker.target import DockerTarget
from tests.support.emulator import missing
from tests.unit.fleet.docker_fake import FakeEndpoint, FakeEngine, composed


class Unreachable:
    """An engine that can't be opened."""

    def __init__(self, error: InvalidInput) -> None:
        self._error = error

    async def __aenter__(self) -> Engine:
        await trio.lowlevel.checkpoint()
        raise self._error

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError("the engine was never entered")


def unreachable(error: InvalidInput) -> DockerTarget:
    return DockerTarget(Settings(target="docker", endpoint_url="http://localstack:4566"), partial(Unreachable, error))


async def test_up_starts_localstack_on_loopback_and_creates_the_queues(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await target.up(reported.append) == "http://127.0.0.1:4566"
    plan = engine.plans["cloudkon.localstack"]
    assert (plan.published, plan.alias, plan.network) == (4566, "localstack", "cloudkon-fleet")
    assert engine.pulled == []
    assert endpoint.provisioned == ["cloudkon"]


async def test_second_up_starts_nothing(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    before = dict(engine.held)
    await target.up(reported.append)
    assert engine.held == before
    assert endpoint.provisioned == ["cloudkon", "cloudkon"]


async def test_up_uses_an_endpoint_that_already_answers(
    engine: FakeEngine, target: DockerTarget, endpoint: FakeEndpoint, reported: list[str]
) -> None:
    endpoint.elsewhere = True
    await target.up(reported.append)
    assert engine.held == {}
    assert endpoint.provisioned == ["cloudkon"]


async def test_up_starts_a_stopped_localstack_and_reports_the_lost_data(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    engine.change("cloudkon.localstack", lambda one: replace(one, state="exited", published={}))
    await target.up(reported.append)
    assert engine.named("cloudkon.localstack").running
    assert "its data is lost" in " ".join(reported)


@pytest.mark.parametrize("compose", [False, True])
async def test_paused_localstack_is_named_with_the_remedy_at_once(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
    *,
    compose: bool,
) -> None:
    if compose:
        engine.add(replace(composed("shop-localstack-1", "localstack"), published={4566: 4566}))
    else:
        await target.up(reported.append)
    (name,) = engine.names
    engine.change(name, lambda one: replace(one, state="paused"))
    before = trio.current_time()
    with pytest.raises(ServiceError, match=f"{name} is paused.*docker unpause {name}"):
        await target.up(reported.append)
    assert trio.current_time() - before < 5
    assert engine.names == [name]
    assert any(f"docker unpause {name}" in problem for problem in (await target.status()).problems)


async def test_up_replaces_dead_workers(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    await target.scale(WORKER, 2, reported.append)
    engine.change("cloudkon.worker.1", lambda one: replace(one, state="exited"))
    await target.up(reported.append)
    assert engine.named("cloudkon.worker.1").running


async def test_missing_localstack_image_is_pulled(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCALSTACK_IMAGE", "some/localstack:9")
    await target.up(reported.append)
    assert engine.pulled == ["some/localstack:9"]


async def test_localstack_that_dies_is_named_with_its_last_log_lines(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    engine.broken["localstack/localstack:4.14.0"] = "No Java here"
    with pytest.raises(ServiceError, match=r"LocalStack.*does not stay up.*No Java here"):
        await target.up(reported.append)
    assert endpoint.provisioned == []


async def test_failed_pull_of_localstack_leaves_nothing_and_names_the_variable(
    engine: FakeEngine, target: DockerTarget, endpoint: FakeEndpoint, reported: list[str]
) -> None:
    engine.images.clear()
    engine.registry = False
    with pytest.raises(ServiceError, match=r"can't be pulled.*no such host.*LOCALSTACK_IMAGE"):
        await target.up(reported.append)
    assert engine.held == {}
    assert engine.networks == set()


async def test_port_in_use_leaves_no_partial_localstack(
    engine: FakeEngine, target: DockerTarget, endpoint: FakeEndpoint, reported: list[str]
) -> None:
    engine.ports_free = False
    with pytest.raises(ServiceError, match=r"already in use.*AWS_ENDPOINT_URL"):
        await target.up(reported.append)
    assert engine.held == {}


async def test_endpoint_at_another_port_than_the_fleets_is_refused(
    engine: FakeEngine,
    target: DockerTarget,
    settings: Settings,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    engine.change("cloudkon.localstack", lambda one: replace(one, state="exited", published={}))
    other = DockerTarget(replace(settings, endpoint_url="http://127.0.0.1:5000"), engine.opened)
    with pytest.raises(InvalidInput, match="this fleet's LocalStack uses port 4566"):
        await other.up(reported.append)


async def test_localstack_can_not_be_started_on_another_machine(
    engine: FakeEngine, settings: Settings, endpoint: FakeEndpoint, reported: list[str]
) -> None:
    target = DockerTarget(replace(settings, endpoint_url="http://elsewhere:4566"), engine.opened)
    with pytest.raises(ServiceError, match=r"elsewhere:4566: no answer.*Nothing was changed"):
        await target.up(reported.append)
    assert engine.held == {}


async def test_up_without_an_engine_provisions_a_given_endpoint(
    engine: FakeEngine, endpoint: FakeEndpoint, reported: list[str]
) -> None:
    endpoint.elsewhere = True
    assert await unreachable(engine_unreachable(FileNotFoundError())).up(reported.append) == "http://localstack:4566"
    assert endpoint.provisioned == ["cloudkon"]


async def test_up_without_permission_is_an_error(endpoint: FakeEndpoint, reported: list[str]) -> None:
    endpoint.elsewhere = True
    with pytest.raises(NoEngine, match=r"may not use its socket.*group docker"):
        await unreachable(engine_unreachable(PermissionError())).up(reported.append)
    assert endpoint.provisioned == []


async def test_status_without_an_engine_reports_it(reported: list[str]) -> None:
    target = unreachable(engine_unreachable(ConnectionRefusedError()))
    with pytest.raises(NoEngine, match=r"Docker engine: none answers.*DOCKER_HOST"):
        await target.status()


async def test_down_keeps_localstack_and_its_data(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    await target.scale(WORKER, 2, reported.append)
    await target.down(reported.append, delete_data=False)
    assert engine.names == ["cloudkon.localstack"]
    assert engine.networks == {"cloudkon-fleet"}
    assert "LocalStack stays" in reported[-1]


async def test_down_with_delete_data_leaves_nothing(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(reported.append)
    await target.scale(WORKER, 2, reported.append)
    await target.down(reported.append, delete_data=True)
    assert (engine.names, engine.networks) == ([], set())
    assert endpoint.deleted == []  # gone with LocalStack


async def test_down_deletes_the_data_but_not_a_localstack_of_others(
    engine: FakeEngine,
    target: DockerTarget,
    endpoint: FakeEndpoint,
    reported: list[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    engine.add(replace(composed("cloudkon-localstack-1", "localstack"), published={4566: 4566}))
    engine.add(composed("cloudkon-worker-1", "worker"))
    await target.down(reported.append, delete_data=True)
    assert engine.names == ["cloudkon-localstack-1", "cloudkon-worker-1"]
    assert endpoint.deleted == ["cloudkon"]


async def test_build_makes_each_pools_image_and_reports_the_steps(
    engine: FakeEngine, reported: list[str], tmp_path: Path
) -> None:
    for pool in POOLS:
        (tmp_path / f"Dockerfile.{pool.name}").touch()
    await build_images(engine, POOLS, reported.append, directory=tmp_path)
    assert engine.built == [
        ("Dockerfile.worker", "cloudkon/worker:latest"),
        ("Dockerfile.animoto", "cloudkon/animoto:latest"),
    ]
    assert any(line.startswith("Step 1/1") for line in reported)
    assert engine.revisions == ["unknown", "unknown"], "no repository"
    assert engine.platforms == ["", ""]


async def test_image_names_the_commit_of_its_content(
    engine: FakeEngine, reported: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("git"):
        missing("git is not installed")
    # Commits need a name, and must not use the settings of the user.
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True, text=True)
    dockerfile = tmp_path / "Dockerfile.worker"
    dockerfile.write_text("FROM scratch\n")
    git(["git", "init", "--quiet"])
    git(["git", "add", "."])
    git(["git", "commit", "--quiet", "--message", "one"])
    commit = git(["git", "rev-parse", "HEAD"]).stdout.strip()
    (tmp_path / "a-note").touch()
    git(["git", "add", "."])
    git(["git", "commit", "--quiet", "--message", "a file outside the images"])

    await build_images(engine, (WORKER,), reported.append, directory=tmp_path)
    dockerfile.write_text("FROM scratch\nUSER 1\n")
    await build_images(engine, (WORKER,), reported.append, directory=tmp_path)

    assert engine.revisions == [commit, f"{commit}-edited"]


async def test_build_outside_a_checkout_reports_where_to_run_it(
    engine: FakeEngine, reported: list[str], tmp_path: Path
) -> None:
    with pytest.raises(CloudKonError, match=r"Dockerfile.worker: not found in .*checkout"):
        await build_images(engine, POOLS, reported.append, directory=tmp_path)
