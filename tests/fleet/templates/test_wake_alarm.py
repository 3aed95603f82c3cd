"""The alarm that wakes a pool, under each reading of AWS's documents about metrics without a point."""

from collections.abc import Callable, Mapping

import pytest

from benchmarks.scaling.compute_template import read_scaling
from benchmarks.scaling.metric_math import Point, Points, evaluate

ASLEEP = read_scaling().asleep
MINUTES = 5


def _filled(expression: str, metrics: Mapping[str, Points]) -> list[Point]:
    """A missing point counts as 0 where another operand has one, also if the metric has none at all."""
    return evaluate(expression, metrics)


def _silent(expression: str, metrics: Mapping[str, Points]) -> list[Point]:
    """An expression has no point at all if one of its metrics has none at all."""
    nothing: list[Point] = [None] * MINUTES
    return nothing if any(set(points) == {None} for points in metrics.values()) else evaluate(expression, metrics)


Reading = Callable[[str, Mapping[str, Points]], list[Point]]
READINGS: list[Reading] = [_filled, _silent]


def _breaches(reading: Reading, **metrics: Point) -> bool:
    points = reading(ASLEEP, {name: [value] * MINUTES for name, value in metrics.items()})
    return all(point is not None and point > 0 for point in points)


@pytest.mark.parametrize("reading", READINGS)
def test_waiting_messages_that_nobody_receives_wake_the_pool(reading: Reading) -> None:
    assert _breaches(reading, visible=1.0, inflight=0.0, received=0.0, empty=0.0)


def test_metrics_that_sqs_leaves_out_while_nothing_happens_do_not_keep_the_pool_asleep() -> None:
    assert _breaches(_filled, visible=1.0, inflight=None, received=None, empty=None)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("work", ["inflight", "received", "empty"])
@pytest.mark.parametrize("others", [0.0, None])
def test_work_of_any_kind_keeps_the_alarm_silent(reading: Reading, work: str, others: Point) -> None:
    metrics: dict[str, Point] = {"inflight": others, "received": others, "empty": others, work: 1.0}
    assert not _breaches(reading, visible=100_000_000.0, **metrics)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("visible", [0.0, None])
def test_empty_or_inactive_queue_wakes_nobody(reading: Reading, visible: Point) -> None:
    assert not _breaches(reading, visible=visible, inflight=0.0, received=0.0, empty=0.0)
