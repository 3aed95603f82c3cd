"""Metrics: what CloudWatch is to know of a worker, as lines of its log in the embedded metric format.

CloudWatch Logs makes metrics of such lines by itself: no call, no permission, no agent. The format and its limits
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
"""Between two lines: CloudWatch's own resolution."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at how many slots are busy."""
NAMESPACE: Final = "CloudKon"
DIMENSIONS: Final = ("Fleet", "Pool")
"""Of every metric. A worker's name is not one: each value of a dimension is a metric to be paid for."""
MOST_VALUES: Final = 100
"""Of one metric in one line. Of more, a random choice goes out: it shows the same percentiles."""
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
    """At most ``MOST_VALUES`` of the values that came, each as likely as any other (Vitter's algorithm R)."""

    rng: random.Random
    values: list[float] = field(default_factory=list)
    seen: int = 0

    def add(self, value: float) -> None:
        """Take note of a value."""
        self.seen += 1
        if len(self.values) < MOST_VALUES:
            self.values.append(round(value, 6))
        elif (place := self.rng.randrange(self.seen)) < MOST_VALUES:
            self.values[place] = round(value, 6)


class Metrics:
    """Counts over a period what a worker does."""

    def __init__(self, fleet: str, pool: str, clock: Clock, rng: random.Random) -> None:
        """Start with nothing counted."""
        self._names = dict(zip(DIMENSIONS, (fleet, pool), strict=True))
        self._clock = clock
        self._rng = rng
        self._losses_told = 0
        self._begin()

    def _begin(self) -> None:
        self._tasks = self._failures = 0
        self._looks, self._busy = 0, 0.0
        self._durations, self._waits = Sample(self._rng), Sample(self._rng)

    def task_ended(self, seconds: float, waited: float | None, *, failed: bool) -> None:
        """Count a task that has its result: seconds its last attempt took, and from its message's sending to that."""
        self._tasks += 1
        self._failures += failed
        self._durations.add(seconds)
        if waited is not None:
            # Clocks differ: nothing starts before it was sent.
            self._waits.add(max(0.0, waited))

    def slots_seen(self, busy: float) -> None:
        """Count a look at the slots: which share of them, 0 to 1, was busy."""
        self._looks += 1
        self._busy += busy

    def line(self, lease_losses: int) -> dict[str, Any]:
        """The facts of a log line for the period that ends now; begins the next. ``lease_losses``: since the start."""
        values: dict[str, Any] = {
            "Tasks": self._tasks,
            "Failures": self._failures,
            "LeaseLosses": lease_losses - self._losses_told,
            "SlotsBusy": round(100 * self._busy / max(1, self._looks), 2),
        }
        values |= {
            name: sample.values
            for name, sample in (("Duration", self._durations), ("Wait", self._waits))
            if sample.values
        }
        self._losses_told = lease_losses
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
        """Write a line each period, and one at the end, until cancelled. ``busy`` gives the share of busy slots."""
        try:
            while True:
                for _ in range(round(PERIOD_SECONDS / LOOK_SECONDS)):
                    await trio.sleep(LOOK_SECONDS)
                    self.slots_seen(busy())
                log.info("metrics", **self.line(lease_losses()))
        finally:
            log.info("metrics", **self.line(lease_losses()))
