"""The real engine, the images built from the real Dockerfiles, and a fleet from the real compose file.

They need a Docker engine with Compose, and the images debian:trixie-slim and localstack/localstack:4.14.0, which
``tests/containers/engine.sh`` provides. Without an engine the tests are skipped, and fail where ``CI`` is true.

``make containers`` runs fleets side by side, by ``tests/containers/scheduling.py``.
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
"""Of the fleets here: what a killed worker held starts again that much and the skew margin later."""
WORKERS = 4
"""Of the compose file's fleet, as each test finds it."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FleetScheduling:  # noqa: ANN401  (xdist's own log)
    """Have xdist give each fleet's tests to one process, in the order of ``pytest_collection_modifyitems``."""
    config.option.loadscopereorder = False
    return FleetScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """Asked for by all that needs Docker."""
    if reason := reason_for_no_engine():
        missing(f"{reason}; bring one up with: tests/containers/engine.sh")
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
    """A fleet of the compose file, under a name and a port of its own; taking it down leaves nothing."""
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
    """The compose file's fleet with four workers and one for slideshows, all of them running."""
    if len(started.workers()) != WORKERS:
        started.scale(WORKERS)
    return started


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    """A workload file of five tasks, which a container may read whoever it runs as."""
    path = tmp_path / "five.txt"
    path.write_text("sleep 1\n" * 5)
    path.chmod(0o644)
    return path


@pytest.fixture
def throwaway_tag(engine: None) -> Iterator[str]:
    """A tag for an image of the test's own, removed after it."""
    tag = f"cloudkon/test-{secrets.token_hex(4)}"
    yield tag
    docker("image", "rm", "--force", tag)
