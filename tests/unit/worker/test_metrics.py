"""The log lines from which CloudWatch makes metrics."""

import json
import os
import random

import pytest
import trio

from cloudkon.log import Log
from cloudkon.memory.virtual_clock import EPOCH, VirtualClock
from images.worker.pipeline.metrics import MOST_VALUES, PERIOD_SECONDS, Metrics

pytestmark = pytest.mark.usefixtures("autojump_clock")


def new_metrics() -> Metrics:
    return Metrics("fleet", "worker", VirtualClock(), random.Random(1))


async def test_line_has_the_embedded_metric_format() -> None:
    metrics = new_metrics()
    metrics.task_ended(0.25, 3.0, failed=False)
    metrics.task_ended(0.5, None, failed=True)
    metrics.sample_slots(1.0)
    metrics.sample_slots(0.5)

    line = metrics.line(lease_losses=2)

    directive = line["_aws"]["CloudWatchMetrics"][0]
    assert line["_aws"]["Timestamp"] == int(EPOCH * 1000)
    assert directive["Namespace"] == "CloudKon"
    assert {name: line[name] for names in directive["Dimensions"] for name in names} == {
        "Fleet": "fleet",
        "Pool": "worker",
    }
    assert {one["Name"]: line[one["Name"]] for one in directive["Metrics"]} == {
        "Tasks": 2,
        "Failures": 1,
        "LeaseLosses": 2,
        "SlotsBusy": 75.0,
        "Duration": [0.25, 0.5],
        "Wait": [3.0],
    }


async def test_each_line_counts_its_own_period() -> None:
    metrics = new_metrics()
    metrics.task_ended(1.0, 1.0, failed=True)
    metrics.line(lease_losses=2)

    line = metrics.line(lease_losses=3)

    assert (line["Tasks"], line["Failures"], line["LeaseLosses"]) == (0, 0, 1)
    assert "Duration" not in line, "a metric without values was written"


async def test_large_sample_keeps_the_percentiles() -> None:
    metrics = new_metrics()
    for number in range(20_000):
        metrics.task_ended(number / 20_000, None, failed=False)

    line = metrics.line(0)

    assert line["Tasks"] == 20_000
    assert len(line["Duration"]) == MOST_VALUES
    assert sorted(line["Duration"])[MOST_VALUES // 2] == pytest.approx(0.5, abs=0.15)


async def test_differing_clocks_make_no_negative_wait() -> None:
    metrics = new_metrics()
    metrics.task_ended(1.0, -0.7, failed=False)

    assert metrics.line(0)["Wait"] == [0.0]


async def test_line_is_written_each_minute_and_at_the_end() -> None:
    read, write = os.pipe()
    metrics = new_metrics()
    with trio.move_on_after(2.5 * PERIOD_SECONDS):
        await metrics.run(Log("info", {}, write), lambda: 0.5, lambda: 0)
    os.close(write)

    with os.fdopen(read) as written:
        lines = [json.loads(line) for line in written]
    assert [line["SlotsBusy"] for line in lines] == [50.0] * 3
    assert {line["action"] for line in lines} == {"metrics"}
