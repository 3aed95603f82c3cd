"""A fleet's whole life on a real account. This costs money: see docs/operations.md."""

import json

import pytest

from tests.aws.real_fleet import RealFleet

TASKS = 200

# The commands have their own deadlines; a timeout of the whole test would leave instances running.
pytestmark = pytest.mark.timeout(0)


def push(fleet: RealFleet, instruction: str) -> str:
    """Push ``TASKS`` tasks of an instruction; return the run."""
    workload = fleet.directory / "workload.txt"
    workload.write_text(f"{instruction}\n" * TASKS, encoding="utf-8")
    return str(json.loads(fleet.run("client", "push", str(workload), "--json"))["run"])


def assert_all_succeed(fleet: RealFleet, run: str) -> None:
    """Wait for a run's end. ``check`` exits with 1 if any task failed, for which ``run`` raises."""
    counts = json.loads(fleet.run("client", "check", run, "--wait", "--json"))
    assert counts["succeeded"] == TASKS


def test_fleet_goes_from_an_empty_account_to_a_drained_run_and_back(real_fleet: RealFleet) -> None:
    fleet = real_fleet
    assert f"{fleet.name}-compute" in fleet.run("fleet", "up", "--dry-run")
    fleet.up()
    fleet.up()  # a second one changes nothing and succeeds
    fleet.run("fleet", "build", "--pool", "worker")
    fleet.run("fleet", "publish", "--pool", "worker")
    fleet.run("fleet", "deploy", "--pool", "worker")

    fleet.run("fleet", "scale", "2")
    assert fleet.status()["instances"]["registered"] >= 1
    run = push(fleet, "sleep 1000")
    fleet.run("fleet", "scale", "1")
    assert_all_succeed(fleet, run)
    assert "started" in fleet.run("fleet", "logs", "--pool", "worker")

    fleet.run("fleet", "autoscale", "--max", "4", "--per-worker", "50")
    fleet.wait_for_workers(0, instances=0, seconds=3600)
    run = push(fleet, "sleep 1000")
    assert fleet.status()["pools"]["worker"]["desired"] == TASKS // 50, "push did not wake the fleet"
    assert_all_succeed(fleet, run)
    # The fixture takes the fleet down and fails if anything is left.
