"""``fleet scale`` and ``fleet status`` on ECS services whose tasks are real containers with the real worker image."""

import secrets
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from cloudkon.errors import ServiceError
from tests.containers.composed import free_port, until
from tests.containers.docker_cli import docker
from tests.containers.ecs import EcsFleet
from tests.support.emulator import emulator

pytestmark = pytest.mark.timeout(600)
TASKS = 400


@pytest.fixture
def unpullable(worker_image: str) -> Iterator[str]:
    """The worker's image under the name of a registry that does not exist.

    ECS tries to pull what it starts; under the image's own name it might pull a foreign image.
    """
    name = f"127.0.0.1:{free_port()}/cloudkon/worker:test"
    docker("tag", worker_image, name)
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture
def fleet(unpullable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EcsFleet]:
    """A fleet at zero workers, on a ministack that only this machine and its containers can reach."""
    # Nothing here takes as long as on AWS, where it takes seconds to minutes.
    monkeypatch.setattr("fleet.aws.resources.account_stacks.POLL_SECONDS", 0.5)
    monkeypatch.setattr("fleet.aws.periodic_diagnosis.INTERVAL_SECONDS", 2.0)
    with emulator(_bridge(unpullable), with_engine=True) as endpoint:
        made = EcsFleet(f"test-{secrets.token_hex(3)}", endpoint, unpullable, tmp_path)
        try:
            made.make()
            yield made
        finally:
            made.remove_containers()


def _bridge(image: str) -> str:
    """This machine's address in the containers' network, read from a container.

    A newly installed engine does not report it for the network itself.
    """
    name = docker("run", "--detach", "--rm", "--entrypoint=sleep", image, "60").strip()
    try:
        return str(ip_address(docker("inspect", "--format={{.NetworkSettings.Gateway}}", name).strip()))
    finally:
        docker("rm", "--force", name)


def test_fleet_scales_from_zero_to_five_to_two_while_it_drains_a_run(fleet: EcsFleet) -> None:
    small = fleet.push(*["sleep 200"] * 20)
    assert fleet.containers("--all") == []
    fleet.scale(5)
    assert len(fleet.containers()) == 5
    fleet.client("check", small, "--wait")

    run = fleet.push(*["sleep 200"] * TASKS)
    until(lambda: len(fleet.workers_of(run)) == 5, "results of all five workers")
    assert len(fleet.results(run)) < TASKS - 50, "the workers to stop must still be busy"
    fleet.scale(2)
    assert len(fleet.containers("--all")) == 2
    status = fleet.status()
    workers = status.pools["worker"]
    assert (workers.desired, workers.counted, workers.pending) == (2, 2, 0)
    assert status.problems == ()

    fleet.client("check", run, "--wait")
    results = fleet.results(run)
    assert Counter(one["task"] for one in results) == {f"{run}/{number}": 1 for number in range(TASKS)}
    assert {one["state"] for one in results} == {"SUCCEEDED"}
    assert len({source for source, line in fleet.logs() if '"started"' in line}) == 5, (
        "logs must outlive their containers"
    )

    fleet.scale(0)
    assert fleet.containers("--all") == []


def test_image_that_the_engine_can_not_pull_is_named(fleet: EcsFleet, unpullable: str) -> None:
    docker("image", "rm", unpullable)

    with pytest.raises(ServiceError, match=r"its image can't be pulled .*CannotPullContainerError"):
        fleet.scale(1)

    assert fleet.containers("--all") == []
    assert any("its image can't be pulled" in problem for problem in fleet.status().problems)
