"""Simulates CloudWatch: metrics that arrive late, and alarms that evaluate the points that have arrived."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.scaling.metric_math import Points, evaluate

MINUTE: Final = 60
QUEUE_LATE: Final = 60
"""Seconds from the end of a minute to its point, for an active queue's metrics."""
INSIGHTS_LATE: Final = 120
"""The same for Container Insights."""
WOKEN_LATE: Final = 900
"""Seconds until an inactive queue's metrics resume (SQS Developer Guide, Available CloudWatch metrics)."""
LOOKS_BACK: Final = 5
"""Minutes beyond the required points in which an alarm looks for points ("evaluation range", CloudWatch User Guide)."""


@dataclass
class Metrics:
    """Points by metric and minute, each with the second at which it arrives."""

    queue_late: float = QUEUE_LATE
    insights_late: float = INSIGHTS_LATE
    silent_until: float = 0.0
    _points: dict[str, dict[int, tuple[float, float]]] = field(default_factory=lambda: defaultdict(dict))

    def put_queue(self, now: float, **values: float) -> None:
        """Put the queue's values of the minute that ends now."""
        self._put(max(now + self.queue_late, self.silent_until), now, values)

    def put_insights(self, now: float, **values: float) -> None:
        """Put the service's values of the minute that ends now."""
        self._put(now + self.insights_late, now, values)

    def seen(self, now: float, minutes: int) -> dict[str, Points]:
        """The points of the last minutes that have arrived, the oldest first."""
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
    """Breaches while each of the newest ``points`` points is above the threshold, or each is below it."""

    expression: str
    points: int
    threshold: float
    above: bool = True

    def newest_points(self, metrics: Metrics, now: float) -> list[float]:
        """The newest points, the oldest first; fewer than ``points`` if fewer have arrived."""
        found = evaluate(self.expression, metrics.seen(now, self.points + LOOKS_BACK))
        return [one for one in found if one is not None][-self.points :]

    def is_breached(self, metrics: Metrics, now: float) -> bool:
        """Whether the alarm is in alarm state; with too few points it is not."""
        found = self.newest_points(metrics, now)
        breaching = [one > self.threshold if self.above else one < self.threshold for one in found]
        return len(found) == self.points and all(breaching)
