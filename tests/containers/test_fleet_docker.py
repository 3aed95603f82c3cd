"""``python -m fleet`` on a real engine: the real images on a LocalStack of their own, and beside a compose file's."""

import json
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from cloudkon import __version__
from fleet.docker.build import revision
from tests.containers.building import SECONDS as BUILD_SECONDS
from tests.containers.composed import Composed, free_port, until
from tests.containers.docker_cli import ROOT, docker, inspected, ran
from tests.containers.suites import passes

pytestmark = pytest.mark.timeout(900)

SECONDS = 240.0
"""The timeout of any command except a build: the longest is LocalStack's start on a busy machine."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet with its own name and endpoint, driven from the user's shell."""

    name: str
    endpoint: str
    directory: Path

    def run(self, *words: str, accept: tuple[int, ...] = (0,), **environment: str) -> str:
        """Run ``python -m WORDS`` and return its standard output."""
        settings = {
            "CLOUDKON_TARGET": "docker",
            "CLOUDKON_FLEET": self.name,
            "CLOUDKON_LEASE_SECONDS": "8",
            "AWS_ENDPOINT_URL": self.endpoint,
            "PYTHONPATH": str(ROOT),
        }
        return ran(
            [sys.executable, "-m", *words],
            environment=settings | environment,
            directory=self.directory,
            seconds=BUILD_SECONDS if "build" in words else SECONDS,
            accept=accept,
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("fleet", "status", "--json"))
        return found

    def workers(self) -> list[str]:
        """The names of this target's running workers."""
        return sorted(self._listed("--filter=label=cloudkon.pool"))

    def left(self) -> list[str]:
        """All containers and networks of this fleet that exist."""
        networks = docker("network", "ls", f"--filter=label=cloudkon.fleet={self.name}", "--format={{.Name}}")
        return self._listed("--all") + networks.split()

    def push(self, *instructions: str) -> str:
        """Push instructions and return the run's id."""
        path = self.directory / "workload.txt"
        path.write_text("".join(f"{one}\n" for one in instructions))
        return self.run("client", "push", str(path)).split()[-1]

    def results(self, run: str) -> list[dict[str, Any]]:
        """Every recorded result of a run, once it has ended."""
        self.run("client", "check", run, "--wait")
        return [json.loads(line) for line in self.run("client", "results", run, "--json").splitlines()]

    def _listed(self, *more: str) -> list[str]:
        return docker("ps", f"--filter=label=cloudkon.fleet={self.name}", *more, "--format={{.Names}}").split()


@pytest.fixture(scope="module")
def fleet(worker_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(f"test-{secrets.token_hex(3)}", f"http://127.0.0.1:{free_port()}", tmp_path_factory.mktemp("fleet"))
    try:
        made.run("fleet", "up")
        yield made
    finally:
        made.run("fleet", "down", "--delete-data", CLOUDKON_STOP_SECONDS="2")
        assert made.left() == []


def test_built_image_is_labelled_with_its_version_and_revision(engine: None, tmp_path: Path) -> None:
    fleet = Fleet("cloudkon", "", tmp_path)
    fleet.run("fleet", "build", "--pool", "worker")
    found = {
        label: inspected("cloudkon/worker:latest", f'index .Config.Labels "org.opencontainers.image.{label}"')
        for label in ("version", "revision")
    }
    assert found == {"version": __version__, "revision": trio.run(revision, ROOT)}


def test_run_completes_although_workers_die_and_the_fleet_shrinks(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "4")
    run = fleet.push(*["sleep 100"] * 200)
    docker("kill", fleet.workers()[0])
    fleet.run("fleet", "scale", "2")
    assert len(fleet.workers()) == 2
    results = fleet.results(run)
    assert Counter(one["task"] for one in results) == {f"{run}/{number}": 1 for number in range(200)}
    assert Counter(one["state"] for one in results) == {"SUCCEEDED": 200}


def test_crashed_worker_is_restarted(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "1")
    name = fleet.workers()[0]
    before = int(inspected(name, ".RestartCount"))
    # It kills all processes except the init and itself; the init exits with the worker.
    docker("exec", name, "sh", "-c", "kill -9 -1", accept=(0, 137))
    until(lambda: int(inspected(name, ".RestartCount")) > before, "the engine to restart the worker")
    until(lambda: fleet.status()["pools"]["worker"]["running"] == 1, "the worker")
    assert fleet.status()["pools"]["worker"]["restarts"] > before


def test_worker_killed_by_hand_is_named_and_up_restarts_it(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "2")
    victim = fleet.workers()[0]
    docker("kill", victim)
    assert any(victim in problem and "exit code 137" in problem for problem in fleet.status()["problems"])
    fleet.run("fleet", "up")
    assert victim in fleet.workers()
    assert fleet.status()["problems"] == []


def test_workers_run_without_rights(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "1")
    name = fleet.workers()[0]
    config = json.loads(inspected(name, "json .HostConfig"))
    assert (config["ReadonlyRootfs"], config["CapDrop"]) == (True, ["ALL"])
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert docker("exec", name, "id", "-u").strip() == "65532"


def test_logs_show_the_output_of_each_worker(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "1")
    name = fleet.workers()[0]
    lines = fleet.run("fleet", "logs", "--pool", "worker").splitlines()
    assert any(line.startswith(f"{name} | ") and '"action": "started"' in line for line in lines)


def test_scale_quotes_the_last_output_of_an_image_whose_workers_exit_at_once(
    fleet: Fleet, capfd: pytest.CaptureFixture[str], throwaway_tag: str, tmp_path: Path
) -> None:
    fleet.run("fleet", "scale", "0")
    (tmp_path / "Dockerfile").write_text(
        'FROM cloudkon/worker\nENTRYPOINT ["sh", "-c", "echo no work today; exit 3"]\n'
    )
    docker("build", "--tag", throwaway_tag, str(tmp_path))
    with pytest.raises(AssertionError, match=r"ended with 1:(?s:.)*exit code 3: no work today"):
        fleet.run("fleet", "scale", "1", CLOUDKON_WORKER_IMAGE=throwaway_tag)
    fleet.run("fleet", "scale", "0")
    assert fleet.workers() == []


def test_missing_image_is_named_with_the_remedy(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "0")
    with pytest.raises(AssertionError, match=r"ended with 2:(?s:.)*python -m fleet build"):
        fleet.run("fleet", "scale", "1", CLOUDKON_WORKER_IMAGE="cloudkon/nobody-built-this")


def test_adapters_pass_the_contract_suite_on_localstack_from_inside_the_image(fleet: Fleet) -> None:
    port = fleet.endpoint.rpartition(":")[2]
    passes(
        "tests/contract",
        "-k=localstack",
        network=f"{fleet.name}-fleet",
        CLOUDKON_TEST_LOCALSTACK=f"http://localstack:{port}",
    )


def test_up_makes_a_working_fleet_after_localstack_has_died(fleet: Fleet) -> None:
    fleet.run("fleet", "scale", "1")
    docker("kill", f"{fleet.name}.localstack")
    assert any("localstack does not run" in problem for problem in fleet.status()["problems"])
    fleet.run("fleet", "up")
    assert len(fleet.results(fleet.push(*["sleep 1"] * 5))) == 5


def test_fleet_beside_a_compose_file_keeps_its_own_workers(composed: Composed, tmp_path: Path) -> None:
    beside = Fleet("cloudkon", composed.endpoint, tmp_path)
    assert beside.left() == [], "a fleet of the default name exists on this machine, and this test would take it down"
    before = composed.workers()
    try:
        beside.run("fleet", "up")
        beside.run("fleet", "scale", "1", "--pool", "worker")
        found = beside.status()["pools"]["worker"]
        names = [worker["name"] for worker in found["workers"]]
        assert sorted(names) == sorted([*beside.workers(), *(f"{name} (compose)" for name in before)])
        run = beside.push(*["sleep 300"] * 40)
        hosts = {one["worker"].partition("-")[0] for one in beside.results(run)}
        assert inspected(beside.workers()[0], ".Config.Hostname") in hosts
        beside.run("fleet", "scale", "0")
    finally:
        beside.run("fleet", "down")
    assert composed.workers() == before
    assert beside.left() == []
