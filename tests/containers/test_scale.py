"""A large fleet, half of whose workers die."""

from collections import Counter

import pytest

from tests.containers.composed import Composed, until
from tests.containers.docker_cli import docker

pytestmark = pytest.mark.timeout(900)
WORKERS = 16
TASKS = 2_000


def test_sixteen_workers_complete_a_run_although_half_of_them_are_killed(composed: Composed) -> None:
    composed.scale(WORKERS)
    run = composed.push(*["sleep 300"] * TASKS)
    until(lambda: len(composed.results(run)) > TASKS / 10, "the first results")

    docker("kill", *composed.workers()[: WORKERS // 2])
    assert len(composed.workers()) == WORKERS // 2
    composed.scale(WORKERS)
    assert len(composed.workers()) == WORKERS
    assert len(composed.results(run)) < TASKS, "the run must still be in progress"

    composed.client("check", run, "--wait")
    results = composed.results(run)
    assert Counter(one["task"] for one in results) == {f"{run}/{number}": 1 for number in range(TASKS)}
    assert {one["state"] for one in results} == {"SUCCEEDED"}
    assert len({one["worker"] for one in results}) > WORKERS, (
        "both the killed workers and their replacements have results"
    )
    composed.scale(4)
