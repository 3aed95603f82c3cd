"""Writes a worker's metrics for CloudWatch, as lines of its log in the embedded metric format.

CloudWatch Logs makes metrics of such lines without a call, a permission or an agent. The format and its limits
(100 metrics a line, 100 values a metric) are in the Amazon CloudWatch User Guide, "Specification: Embedded metric
format".
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from cloudkon.log import Log
from cloudkon.ports import Clock

PERIOD_SECONDS: Final = 60.0
"""Time between two lines: CloudWatch's own resolution."""
SAMPLE_SECONDS: Final = 1.0
"""Time between two samples of how many slots are busy."""
NAMESPACE: Final = "CloudKon"
DIMENSIONS: Final = ("Fleet", "Pool")
"""Dimensions of every metric. The worker's name is not one: each value of a dimension is a metric that costs money."""
MOST_VALUES: Final = 100
"""Most values of one metric in one line. Of more values a random sample is written, which has the same percentiles."""
_UNITS: Final = {
    "Tasks": "Count",
    "Failures": "Count",
    "LeaseLosses": "Count",
    "SlotsBusy": "Percent",
    "Duration": "Seconds",
    "Wait": "Seconds",
}


@dataclass(slots=True)
class Sample:
    """A random sample of up to ``MOST_VALUES`` values, each as likely as any other (Vitter's algorithm R)."""

    rng: random.Random
    values: list[float] = field(default_factory=list)
    seen: int = 0

    def add(self, value: float) -> None:
        """Add a value, which may or may not become part of the sample."""
        self.seen += 1
        if len(self.values) < MOST_VALUES:
            self.values.append(round(value, 6))
        elif (place := self.rng.randrange(self.seen)) < MOST_VALUES:
            self.values[place] = round(value, 6)


class Metrics:
    """Counts what a worker does in a period."""

    def __init__(self, fleet: str, pool: str, clock: Clock, rng: random.Random) -> None:
        """Start the first period."""
        self._names = dict(zip(DIMENSIONS, (fleet, pool), strict=True))
        self._clock = clock
        self._rng = rng
        self._losses_written = 0
        self._begin()

    def _begin(self) -> None:
        self._tasks = self._failures = 0
        self._samples, self._busy = 0, 0.0
        self._durations, self._waits = Sample(self._rng), Sample(self._rng)

    def task_ended(self, seconds: float, waited: float | None, *, failed: bool) -> None:
        """Count a task that has its result.

        ``seconds`` is how long its last attempt took, ``waited`` the time from sending its message to that attempt.
        """
        self._tasks += 1
        self._failures += failed
        self._durations.add(seconds)
        if waited is not None:
            # Clocks differ, but no task starts before it was sent.
            self._waits.add(max(0.0, waited))

    def sample_slots(self, busy: float) -> None:
        """Add a sample of the share of busy slots, 0 to 1."""
        self._samples += 1
        self._busy += busy

    def line(self, lease_losses: int) -> dict[str, Any]:
        """Return the fields of a log line for the period that ends now, and begin the next one.

        ``lease_losses`` counts since the worker's start.
        """
        values: dict[str, Any] = {
            "Tasks": self._tasks,
            "Failures": self._failures,
            "LeaseLosses": lease_losses - self._losses_written,
            "SlotsBusy": round(100 * self._busy / max(1, self._samples), 2),
        }
        values |= {
            name: sample.values
            for name, sample in (("Duration", self._durations), ("Wait", self._waits))
            if sample.values
        }
        self._losses_written = lease_losses
        self._begin()
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(DIMENSIONS)],
            "Metrics": [{"Name": name, "Unit": _UNITS[name]} for name in values],
        }
        return {
            "_aws": {"Timestamp": int(self._clock.wall() * 1000), "CloudWatchMetrics": [directive]},
            **self._names,
            **values,
        }

    async def run(self, log: Log, busy: Callable[[], float], lease_losses: Callable[[], int]) -> None:
        """Write a line each period until cancelled, and one at the end.

        ``busy`` returns the share of busy slots, ``lease_losses`` the lost claims since the start.
        """
        try:
            while True:
                for _ in range(round(PERIOD_SECONDS / SAMPLE_SECONDS)):
                    await trio.sleep(SAMPLE_SECONDS)
                    self.sample_slots(busy())
                log.info("metrics", **self.line(lease_losses()))
        finally:
            log.info("metrics", **self.line(lease_losses()))
