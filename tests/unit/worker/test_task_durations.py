"""Estimates from task durations: how much work the slots need, and how long it lasts."""

import pytest
import trio
from trio.testing import MockClock

from images.worker.pipeline.task_durations import TaskDurations


def busy(slots: int, since: list[float], average: float) -> TaskDurations:
    durations = TaskDurations(slots)
    durations.average = average
    for slot, time in enumerate(since):
        durations.start(slot, trio.current_time() - time)
    return durations


@pytest.mark.parametrize(
    ("slots", "since", "average", "queued", "shortage", "supply"),
    [
        (1, [], 10.0, 0, 1, 0.0),
        (1, [2.0], 10.0, 0, 0, 8.0),
        (1, [2.0], 10.0, 1, -1, 18.0),
        # One of two slots is free: the work that the other one still has doesn't help it.
        (2, [2.0], 10.0, 0, 1, 0.0),
        (2, [2.0], 10.0, 1, 0, 8.0),
        (2, [], 10.0, 1, 1, 0.0),
        (2, [], 10.0, 4, -2, 20.0),
        # A task that takes longer than others may run for as long again, so nothing more is received to wait behind it.
        (2, [50.0, 2.0], 10.0, 0, 0, 8.0),
        (1, [600.0], 0.001, 0, 0, 600.0),
        (1, [0.04], 0.016, 0, 4, 0.04),
        (8, [], 10.0, 0, 8, 0.0),
        # Short tasks: a tenth of a second is a hundred of them for each slot.
        (2, [], 0.001, 0, 200, 0.0),
        (2, [], 0.001, 300, -100, 0.15),
    ],
)
async def test_shortage_and_supply_follow_from_running_and_queued_tasks(
    autojump_clock: MockClock,
    slots: int,
    since: list[float],
    average: float,
    queued: int,
    shortage: int,
    supply: float,
) -> None:
    durations = busy(slots, since, average)
    assert durations.shortage(queued, 0.1) == shortage
    assert durations.supply(queued) == pytest.approx(supply)


async def test_average_follows_the_durations_of_attempts(autojump_clock: MockClock) -> None:
    durations = TaskDurations(1)
    assert (durations.average, durations.supply(5), durations.shortage(0, 1)) == (None, 0.0, 0)
    durations.end(0, 10.0)
    assert durations.average == 10.0
    durations.end(0, None)
    assert durations.average == 10.0
    for _ in range(100):
        durations.end(0, 1.0)
    assert durations.average == pytest.approx(1.0, abs=0.01)
