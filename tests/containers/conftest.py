"""Provides a real engine, the images built from the real Dockerfiles, and a fleet of the real compose file.

The tests need a Docker engine with Compose, and the images debian:trixie-slim and localstack/localstack:4.14.0, which
``tests/containers/engine.sh`` provides. Without an engine they are skipped, and fail where ``CI`` is true.

``make containers`` runs fleets in parallel, as ``tests/containers/scheduling.py`` assigns them.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.building import ANIMOTO, WORKER, built, remove_leftovers
from tests.containers.composed import Composed, free_port
from tests.containers.docker_cli import docker, reason_for_no_engine
from tests.containers.scheduling import FleetScheduling, rank
from tests.support.emulator import missing

LEASE_SECONDS = 8
"""The lease of these fleets: a killed worker's tasks start again after it and the skew margin."""
WORKERS = 4
"""Workers of the compose file's fleet at the start of each test."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FleetScheduling:  # noqa: ANN401  (xdist's own log)
    """Make xdist give each fleet's tests to one process, in the order of ``pytest_collection_modifyitems``."""
    config.option.loadscopereorder = False
    return FleetScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest groups first."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """Required by every test that needs Docker."""
    if reason := reason_for_no_engine():
        missing(f"{reason}; start one with: tests/containers/engine.sh")
    yield
    remove_leftovers()


@pytest.fixture(scope="session")
def worker_image(engine: None) -> str:
    return built(WORKER)


@pytest.fixture(scope="session")
def animoto_image(engine: None) -> str:
    return built(ANIMOTO)


@pytest.fixture(scope="session")
def started(worker_image: str, animoto_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """A fleet of the compose file with its own name and port; taking it down leaves nothing behind."""
    fleet = Composed(
        project=f"cloudkon-tests-{secrets.token_hex(3)}",
        port=free_port(),
        lease_seconds=LEASE_SECONDS,
        directory=tmp_path_factory.mktemp("composed"),
    )
    try:
        fleet.scale(WORKERS)
        yield fleet
    finally:
        fleet.compose("down", "--volumes", "--timeout", "5")
        assert fleet.left() == []


@pytest.fixture
def composed(started: Composed) -> Composed:
    """The compose file's fleet with four workers and one animoto worker, all of them running."""
    if len(started.workers()) != WORKERS:
        started.scale(WORKERS)
    return started


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    """A workload file of five tasks, which any user of a container may read."""
    path = tmp_path / "five.txt"
    path.write_text("sleep 1\n" * 5)
    path.chmod(0o644)
    return path


@pytest.fixture
def throwaway_tag(engine: None) -> Iterator[str]:
    """A tag for an image that the test builds; the image is removed after the test."""
    tag = f"cloudkon/test-{secrets.token_hex(4)}"
    yield tag
    docker("image", "rm", "--force", tag)
