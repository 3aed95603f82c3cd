"""Outages of a fleet: foreign messages, a LocalStack that hangs or restarts, a disconnected worker."""

from collections import Counter

import pytest
import trio

from cloudkon.model import Result
from tests.containers.composed import Composed, until
from tests.containers.docker_cli import docker
from tests.support.emulator_fleet import EmulatedFleet

pytestmark = pytest.mark.timeout(900)
SKEW_SECONDS = 5
HANG_SECONDS = 20


def test_foreign_message_ends_in_the_dead_letter_queue(composed: Composed) -> None:
    fleet = EmulatedFleet(composed.settings)
    fleet.send("this is no message of ours")

    run = composed.push(*["sleep 10"] * 20)
    composed.client("check", run, "--wait")

    until(lambda: not trio.run(fleet.dead_letters.depth).empty, "the message in the dead-letter queue")
    assert fleet.rejected() == ["this is no message of ours"]
    assert len(composed.workers()) == 4, "the message must stop no worker"


def test_localstack_that_hangs_for_a_while_costs_only_time(composed: Composed) -> None:
    run = composed.push(*["sleep 100"] * 200)
    until(lambda: composed.results(run), "the first results")
    localstack = composed.workers("localstack")[0]

    # On a busy machine the kernel does not always manage to freeze all its processes at once.
    until(lambda: docker("pause", localstack, accept=(0, 1)), "LocalStack to be paused")
    try:
        docker("exec", composed.workers()[0], "sleep", str(HANG_SECONDS))
    finally:
        docker("unpause", localstack)

    composed.client("check", run, "--wait")
    results = composed.results(run)
    assert len(results) == len({one["task"] for one in results}) == 200
    assert Counter((one["state"], one["attempts"]) for one in results) == {("SUCCEEDED", 1): 200}


def test_run_lost_by_a_localstack_restart_can_be_pushed_again(composed: Composed) -> None:
    run = composed.push(*["sleep 200"] * 200)
    until(lambda: composed.results(run), "the first results")

    composed.compose("restart", "--timeout", "1", "localstack")
    # As the compose file says, it waits until LocalStack is healthy, and makes queues, table and bucket again.
    composed.compose("up", "--no-build", "provision")

    assert f"python -m client push --run {run}" in composed.refused("check", run)
    composed.client("push", "--run", run, str(composed.workload))
    composed.client("check", run, "--wait")
    results = composed.results(run)
    assert Counter(one["task"] for one in results) == {f"{run}/{number}": 1 for number in range(200)}
    assert {one["state"] for one in results} == {"SUCCEEDED"}
    assert len(composed.workers()) == 4, "no worker may give up"


def test_task_that_exceeds_its_containers_memory_fails_and_the_others_go_on(composed: Composed) -> None:
    large_task = "exec python -c 'bytearray(1_000_000_000)'"
    for name in composed.workers():
        docker("update", "--memory=300m", "--memory-swap=300m", name)
    try:
        run = composed.push(*["sleep 20"] * 30, large_task, *["sleep 20"] * 30)
        composed.client("check", run, "--wait", accept=(1,))
    finally:
        for name in composed.workers():
            docker("update", "--memory=4g", "--memory-swap=4g", name)

    results = composed.results(run)
    assert Counter((one["state"], one["attempts"]) for one in results) == {("SUCCEEDED", 1): 60, ("FAILED", 3): 1}
    (failed,) = (one for one in results if one["state"] == "FAILED")
    assert failed["task"] == f"{run}/30"
    assert "out of memory" in failed["error"]
    assert len(composed.workers()) == 4, "no worker died of it"


def test_worker_disconnected_for_longer_than_its_lease_writes_nothing(composed: Composed) -> None:
    name = composed.workers()[0]
    host = docker("inspect", "--format={{.Config.Hostname}}", name).strip()
    run = composed.push(*["sleep 2500"] * 16)
    until(lambda: _by(host, composed, run), f"a result of {name}")

    docker("network", "disconnect", composed.network, name)
    written = _by(host, composed, run)
    # Meanwhile the others complete the run, including the disconnected worker's chunks.
    composed.client("check", run, "--wait")
    docker("exec", name, "sleep", str(composed.lease_seconds + SKEW_SECONDS))
    docker("network", "connect", composed.network, name)

    until(lambda: _takes_part(host, composed), f"{name} to work again")
    results = composed.results(run)
    assert len(results) == len({one["task"] for one in results}) == 16
    assert {one["state"] for one in results} == {"SUCCEEDED"}
    assert _by(host, composed, run) == written
    recorded = {one["task"]: one["worker"] for one in results}
    late = {str(result.task): result.worker for result in _published(composed, run)}
    assert late.items() <= recorded.items(), "a published result must equal the recorded one"


def _by(host: str, composed: Composed, run: str) -> set[str]:
    """The tasks of a run that the worker of a host has recorded."""
    return {one["task"] for one in composed.results(run) if one["worker"].startswith(host)}


def _published(composed: Composed, run: str) -> list[Result]:
    """The results of a run that the client has left on the result queue."""
    fleet = EmulatedFleet(composed.settings)
    found = trio.run(fleet.services.ledger.read_run, run)
    assert found
    return fleet.published(found)


def _takes_part(host: str, composed: Composed) -> bool:
    run = composed.push(*["sleep 300"] * 16)
    composed.client("check", run, "--wait")
    return bool(_by(host, composed, run))
