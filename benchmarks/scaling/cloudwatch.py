"""CloudWatch: metrics that come late, and alarms that look at what has come."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.scaling.metric_math import Points, evaluate

MINUTE: Final = 60
QUEUE_LATE: Final = 60
"""Seconds from a minute's end to its point, of an active queue's metrics."""
INSIGHTS_LATE: Final = 120
"""The same of Container Insights."""
WOKEN_LATE: Final = 900
"""Seconds until an inactive queue's metrics come again (SQS Developer Guide, Available CloudWatch metrics)."""
LOOKS_BACK: Final = 5
"""Minutes that an alarm looks back for points beyond those it needs ("evaluation range", CloudWatch User Guide)."""


@dataclass
class Metrics:
    """Points by metric and minute, each with the second from which on it can be seen."""

    queue_late: float = QUEUE_LATE
    insights_late: float = INSIGHTS_LATE
    silent_until: float = 0.0
    _points: dict[str, dict[int, tuple[float, float]]] = field(default_factory=lambda: defaultdict(dict))

    def put_queue(self, now: float, **values: float) -> None:
        """The queue's values of the minute that ends now."""
        self._put(max(now + self.queue_late, self.silent_until), now, values)

    def put_insights(self, now: float, **values: float) -> None:
        """The service's."""
        self._put(now + self.insights_late, now, values)

    def seen(self, now: float, minutes: int) -> dict[str, Points]:
        """What can be seen now of the last minutes, the oldest first."""
        last = int(now // MINUTE)
        return {
            name: [self._at(points, minute, now) for minute in range(last - minutes + 1, last + 1)]
            for name, points in self._points.items()
        }

    def _put(self, seen: float, now: float, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._points[name][int(now // MINUTE)] = (seen, value)

    @staticmethod
    def _at(points: Mapping[int, tuple[float, float]], minute: int, now: float) -> float | None:
        seen, value = points.get(minute, (now + 1, 0.0))
        return value if seen <= now else None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Rings while each of the newest ``points`` points is above the threshold, or each below it."""

    expression: str
    points: int
    threshold: float
    above: bool = True

    def looked_at(self, metrics: Metrics, now: float) -> list[float]:
        """The points that decide, the oldest first; fewer than ``points`` where so few have come."""
        found = evaluate(self.expression, metrics.seen(now, self.points + LOOKS_BACK))
        return [one for one in found if one is not None][-self.points :]

    def rings(self, metrics: Metrics, now: float) -> bool:
        """Whether it does. Too few points decide nothing."""
        found = self.looked_at(metrics, now)
        breaching = [one > self.threshold if self.above else one < self.threshold for one in found]
        return len(found) == self.points and all(breaching)
