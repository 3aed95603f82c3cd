"""The real engine, the images built from the real Dockerfiles, and a fleet from the real compose file.

They need a Docker engine with Compose, and the images debian:trixie-slim and localstack/localstack:4.14.0, which
``tests/containers/engine.sh`` provides. Without an engine the tests are skipped, and fail where ``CI`` is true.
"""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.composed import Composed
from tests.containers.docker_cli import built, docker, reason_for_no_engine
from tests.support.emulator import missing

LEASE_SECONDS = 8
"""Of the fleets here: what a killed worker held starts again that much and the skew margin later."""


@pytest.fixture(scope="session")
def engine() -> None:
    """Asked for by all that needs Docker."""
    if reason := reason_for_no_engine():
        missing(f"{reason}; bring one up with: tests/containers/engine.sh")


@pytest.fixture(scope="session")
def worker_image(engine: None) -> str:
    return built("cloudkon/worker:latest", "Dockerfile.worker")


@pytest.fixture(scope="session")
def animoto_image(engine: None) -> str:
    return built("cloudkon/animoto:latest", "Dockerfile.animoto")


@pytest.fixture(scope="module")
def composed(worker_image: str, animoto_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """A fleet of the compose file with four workers and one for slideshows, under a name and a port of its own."""
    fleet = Composed(
        project=f"cloudkon-tests-{secrets.token_hex(3)}",
        port=_free_port(),
        lease_seconds=LEASE_SECONDS,
        directory=tmp_path_factory.mktemp("composed"),
    )
    try:
        fleet.compose("up", "--detach", "--no-build", "--scale", "worker=4")
        yield fleet
    finally:
        fleet.compose("down", "--volumes", "--timeout", "5")


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
