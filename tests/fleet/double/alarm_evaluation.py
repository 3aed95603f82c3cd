"""Simulates alarms on metric math over SQS's metrics: points that arrive late or never, and the policies that they run.

The arithmetic is that of the simulation of autoscaling (``benchmarks.scaling.metric_math``).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from benchmarks.scaling.metric_math import Point, Points, evaluate
from tests.fleet.double.readings import NO_POINTS_NO_RESULT, QUEUE_METRICS_LATE, ZEROS_LEFT_OUT
from tests.fleet.double.sqs import Queue

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

MINUTE: Final = 60.0
WOKEN_SECONDS: Final = 900.0
"""From a queue's first message to its first metrics, under the reading ``QUEUE_METRICS_LATE``."""
RANGE: Final = 5
"""Minutes beyond the evaluation periods in which an alarm looks for points."""


class AlarmEvaluation:
    """One alarm, evaluated each minute as long as it exists."""

    def __init__(self, account: "Account", name: str) -> None:
        self._account = account
        self._name = name
        self._points: dict[str, list[Point]] = {}
        """Each metric's points by its id, the oldest first."""
        self._woken: dict[str, float] = {}
        """Since when each queue has messages."""

    def start(self) -> None:
        """Evaluate from the next minute on."""
        alarms = self._account.cloudwatch.alarms
        self._account.timeline.every(MINUTE, self._evaluate, lambda: self._name in alarms)

    def _evaluate(self) -> None:
        alarm = self._account.cloudwatch.alarms.get(self._name)
        length = alarm["EvaluationPeriods"] + RANGE
        for query in alarm["Metrics"]:
            if "MetricStat" in query:
                points = self._points.setdefault(query["Id"], [None] * length)
                points[:] = [*points, self._point(query["MetricStat"]["Metric"])][-length:]
        (expression,) = (one["Expression"] for one in alarm["Metrics"] if "Expression" in one)
        found = [one for one in self._result(expression, self._points) if one is not None]
        newest = found[-alarm["EvaluationPeriods"] :]
        if len(newest) == alarm["EvaluationPeriods"] and all(one > alarm["Threshold"] for one in newest):
            for action in alarm["AlarmActions"]:
                self._account.application_autoscaling.step(action)

    def _result(self, expression: str, metrics: Mapping[str, Points]) -> list[Point]:
        silent = any(set(points) == {None} for points in metrics.values())
        return [] if silent and NO_POINTS_NO_RESULT in self._account.readings else evaluate(expression, metrics)

    def _point(self, metric: Mapping[str, Any]) -> Point:
        """Return the minute's point, if SQS sends one."""
        queue = self._account.sqs.queues.find(str(metric["Dimensions"][0]["Value"]))
        if queue is None or not self._active(queue):
            return None
        values = {
            "ApproximateNumberOfMessagesVisible": queue.visible,
            "ApproximateNumberOfMessagesNotVisible": queue.in_flight,
            "NumberOfMessagesReceived": queue.received,
            "NumberOfEmptyReceives": 0,
        }
        value = values[str(metric["MetricName"])]
        if not value and metric["MetricName"] == "ApproximateNumberOfMessagesNotVisible":
            return None if ZEROS_LEFT_OUT in self._account.readings else 0.0
        return float(value)

    def _active(self, queue: Queue) -> bool:
        """Whether the queue's metrics arrive: it has messages, under one reading for long enough."""
        now = self._account.timeline.now
        if not queue.visible + queue.in_flight + queue.delayed:
            self._woken.pop(queue.name, None)
            return False
        since = self._woken.setdefault(queue.name, now)
        return QUEUE_METRICS_LATE not in self._account.readings or now >= since + WOKEN_SECONDS
