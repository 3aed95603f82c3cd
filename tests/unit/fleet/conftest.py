"""Fixtures: the command line, and a docker target on an engine in memory with a fake endpoint."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudkon.memory import memory_services
from cloudkon.settings import Settings
from fleet import __main__ as program
from fleet.docker import localstack, scaling, snapshot
from fleet.docker import target as target_module
from fleet.docker.target import DockerTarget
from tests.unit.fleet.docker_fake import FakeEndpoint, FakeEngine


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run ``python -m fleet`` with these arguments; return the exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fleet", *arguments])
        return program.main()

    return run


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine("cloudkon/worker:latest", "cloudkon/animoto:latest", "localstack/localstack:4.14.0")


@pytest.fixture
def endpoint(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeEndpoint:
    made, services = FakeEndpoint(engine), memory_services()
    monkeypatch.delenv("LOCALSTACK_IMAGE", raising=False)
    monkeypatch.setattr(localstack, "is_ready", made.is_ready)
    monkeypatch.setattr(target_module, "is_ready", made.is_ready)
    monkeypatch.setattr("fleet.docker.healthcheck.is_ready", made.is_ready)
    monkeypatch.setattr(target_module, "provision", made.provision)
    monkeypatch.setattr(target_module, "delete_stack_data", made.delete_data)
    monkeypatch.setattr(scaling, "connect", lambda _settings: services)
    monkeypatch.setattr(snapshot, "connect", lambda _settings: services)
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(target="docker", state_dir=tmp_path / "state")


@pytest.fixture
def target(engine: FakeEngine, settings: Settings) -> DockerTarget:
    return DockerTarget(settings, engine.opened)


@pytest.fixture
def reported() -> list[str]:
    return []
