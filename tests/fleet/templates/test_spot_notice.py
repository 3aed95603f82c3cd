"""The instances' own script: it stops the workers in the two minutes between a Spot notice and the interruption."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.aws.resources.compute_parameters import MOST_STOP_SECONDS
from tests.fleet.templates.spot_instance import FAILS, SpotInstance, notice
from tests.support.patience import until

OURS = {"one": "cloudkon-worker", "two": "cloudkon-animoto"}
OTHERS = {"three": "pictures-worker", "agent": ""}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SpotInstance]:
    with SpotInstance(tmp_path) as made:
        yield made


def test_workers_are_stopped_with_what_is_left_of_the_two_minutes(instance: SpotInstance) -> None:
    instance.notices = [None, None, notice(10 + 118)]
    instance.containers = {0: OURS | OTHERS}
    instance.start()
    instance.wait_for_looks(5)
    assert instance.stops == [("one", 115), ("two", 115)]
    assert instance.sleeps[:4] == ["5", "5", "1", "1"]
    assert "interrupted in 118 s" in instance.log


def test_worker_with_the_longest_stop_time_ends_before_docker_kills_it(instance: SpotInstance) -> None:
    """The notice comes just after a look. The worker kills its tasks and releases its work within its stop time."""
    instance.notices = [None, notice(120)]
    instance.containers = {0: OURS}
    instance.start()
    instance.wait_for_looks(2)
    assert min(seconds for _, seconds in instance.stops) >= MOST_STOP_SECONDS


def test_containers_that_start_later_are_stopped_too_and_none_twice(instance: SpotInstance) -> None:
    instance.notices = [notice(120)]
    instance.containers = {0: {}, 2: OURS, 5: OURS | {"late": "cloudkon-worker"}}
    instance.start()
    instance.wait_for_looks(9)
    assert instance.stops == [("late", 112), ("one", 115), ("two", 115)]


def test_container_that_could_not_be_stopped_is_stopped_again(instance: SpotInstance) -> None:
    instance.fail_once("stop")
    instance.fail_once("daemon")
    instance.notices = [notice(120)]
    instance.containers = {0: {"one": "cloudkon-worker"}}
    instance.start()
    while len(instance.stops) < 2:
        instance.wait_for_looks(instance.looks)
    (_, again), (_, first) = instance.stops
    assert first == 116
    assert again < first


def test_worker_that_still_runs_tasks_is_told_in_time_to_release_them(instance: SpotInstance) -> None:
    instance.notices = [notice(18)]
    instance.containers = {0: OURS | OTHERS, 3: {"one": "cloudkon-worker"} | OTHERS}
    instance.start()
    until(lambda: instance.interrupts, "SIGINT")
    assert instance.stops == [("one", 15), ("two", 15)]
    # Eight seconds before Docker would kill it.
    assert min(instance.interrupts) >= ("one", 7)
    assert {container for container, _ in instance.interrupts} == {"one"}


@pytest.mark.parametrize("action", ["stop", "hibernate"])
def test_late_notice_of_any_kind_leaves_some_seconds(instance: SpotInstance, action: str) -> None:
    instance.notices = [notice(0, action)]
    instance.containers = {0: OURS}
    instance.start()
    instance.wait_for_looks(2)
    assert instance.stops == [("one", 10), ("two", 10)]
    until(lambda: {container for container, _ in instance.interrupts} == OURS.keys(), "SIGINT to both")


@pytest.mark.parametrize("text", ['{"action": "terminate"}', '{"time": "soon"}', notice(86_400)])
def test_notice_without_a_usable_time_counts_from_the_first_look(instance: SpotInstance, text: str) -> None:
    instance.notices = [None, text]
    instance.containers = {0: {"one": "cloudkon-worker"}, 4: OURS}
    instance.start()
    instance.wait_for_looks(6)
    assert instance.stops == [("one", 117), ("two", 114)]


def test_metadata_that_fails_after_the_notice_takes_nothing_back(instance: SpotInstance) -> None:
    instance.notices = [FAILS, notice(120), FAILS, None, FAILS]
    instance.containers = {0: {"one": "cloudkon-worker"}, 4: OURS}
    instance.start()
    instance.wait_for_looks(6)
    assert instance.stops == [("one", 112), ("two", 109)]


def test_instance_that_goes_on_after_the_interruption_keeps_its_new_workers(instance: SpotInstance) -> None:
    instance.notices = [notice(2, "hibernate"), None]
    instance.containers = {0: {"one": "cloudkon-worker"}, 4: OURS}
    instance.start()
    instance.wait_for_looks(6)
    assert instance.stops == [("one", 10)]
    assert instance.sleeps[:5] == ["1", "1", "1", "5", "5"]


def test_nothing_is_stopped_without_a_notice(instance: SpotInstance) -> None:
    instance.life_cycle = FAILS
    instance.notices = [None, FAILS, None]
    instance.containers = {0: OURS}
    instance.start()
    instance.wait_for_looks(4)
    assert instance.stops == []
    assert set(instance.sleeps) == {"5"}


def test_on_demand_instance_needs_no_looks(instance: SpotInstance) -> None:
    instance.life_cycle = "on-demand"
    instance.start()
    assert instance.wait() == 0
    assert instance.looks == 0
