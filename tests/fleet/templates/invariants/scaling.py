"""Scaling: the backlog policies and the alarms, and the metric math in them."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cloudkon.model import Priority
from tests.fleet.templates.invariants.lookup import of_type
from tests.support.template_rendering import Resources

ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
"""CloudWatch refuses other ids (Amazon CloudWatch API Reference, MetricDataQuery)."""
POOLS = ("Worker", "Animoto")
LATE_MINUTES = 3
"""After which a metric has come, if it comes at all."""


def _queries(resources: Resources) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every list of metrics and expressions, with the resource that it is in."""
    for name, policy in of_type(resources, "ApplicationAutoScaling::ScalingPolicy"):
        tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
        if tracking:
            yield name, tracking["CustomizedMetricSpecification"]["Metrics"]
    for name, alarm in of_type(resources, "CloudWatch::Alarm"):
        if "Metrics" in alarm:
            yield name, alarm["Metrics"]


def _expression(queries: list[dict[str, Any]]) -> str:
    return " ".join(one["Expression"] for one in queries if "Expression" in one)


def metric_ids_are_valid_and_used(resources: Resources) -> Iterator[str]:
    """CloudWatch says of the rest, after minutes, that the stack failed."""
    for name, queries in _queries(resources):
        counts = Counter(one["Id"] for one in queries)
        used = set(ID.findall(re.sub(r"\b[A-Z]+\b", " ", _expression(queries))))
        yield from (f"{name}: {one!r} is no id" for one in counts if not ID.fullmatch(one))
        yield from (f"{name}: {one} is defined twice" for one, count in counts.items() if count > 1)
        yield from (f"{name}: {one} is not defined" for one in used - counts.keys())
        measured = {one["Id"] for one in queries if "MetricStat" in one}
        yield from (f"{name}: {one} is not used" for one in measured - used)
        if [bool(one.get("ReturnData", True)) for one in queries].count(True) != 1:
            yield f"{name}: not exactly one value is returned"


def late_minutes_do_not_count_as_zero(resources: Resources) -> Iterator[str]:
    """The newest minutes always lack something: a zero there would keep an alarm from ever ringing, or have it ring."""
    for name, queries in _queries(resources):
        expression = _expression(queries)
        if "visible" not in expression or re.search(r"FILL\((visible|inflight)", expression):
            yield f"{name} takes a queue's late minutes for empty ones"
        if name.endswith("BacklogPolicy") and not expression.endswith("/ IF(visible >= 0, desired)"):
            yield f"{name} has a value for minutes of which something is missing"
    for name, alarm in of_type(resources, "CloudWatch::Alarm"):
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{name} is undecided where nothing is measured"
        if "FILL" in _expression(alarm.get("Metrics", [])) and alarm["EvaluationPeriods"] < LATE_MINUTES:
            yield f"{name} rings for a minute that is merely late"


def backlog_counts_unfinished_messages_per_worker(resources: Resources) -> Iterator[str]:
    """What waits and whom it keeps busy: by messages alone, workers that keep up would look idle."""
    for name, queries in _queries(resources):
        if not name.endswith("BacklogPolicy"):
            continue
        measured = Counter(one["MetricStat"]["Metric"]["MetricName"] for one in queries if "MetricStat" in one)
        # Of either of the pool's queues.
        if any(measured[f"ApproximateNumberOfMessages{which}"] < len(Priority) for which in ("Visible", "NotVisible")):
            yield f"{name} leaves out what waits or what is in flight"
        busy = r"\(visible \+ visible_high \+ (\d+) \* IF\(inflight \+ inflight_high < (\d+) \* desired, "
        if not re.search(busy, " ".join(_expression(queries).split())):
            yield f"{name} does not count who is busy"


def metrics_are_the_pools_own(resources: Resources) -> Iterator[str]:
    """A pool scales by its own queue and service."""
    for name, queries in _queries(resources):
        pool = next(one for one in POOLS if name.startswith(one))
        for one in queries:
            metric = one.get("MetricStat", {}).get("Metric")
            if not metric:
                continue
            values = {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]}
            high = "-high" if one["Id"].endswith("_high") else ""
            queue, service = f"cloudkon-{pool.lower()}{high}", f"<{pool}Service.Name>"
            if values not in ({"QueueName": queue}, {"ClusterName": "<Cluster>", "ServiceName": service}):
                yield f"{name}: {one['Id']} measures {values}"


def wake_alarm_scales_out_from_zero_and_never_in(resources: Resources) -> Iterator[str]:
    """Target tracking multiplies the count, which zero defies."""
    targets = {name for name, _ in of_type(resources, "ApplicationAutoScaling::ScalableTarget")}
    for target in targets:
        pool = target.removesuffix("Scaling")
        alarm = resources.get(f"{pool}WakeAlarm", {}).get("Properties", {})
        if alarm.get("AlarmActions") != [f"<{pool}WakePolicy>"]:
            yield f"nothing wakes {pool}"
            continue
        step = resources[f"{pool}WakePolicy"]["Properties"]["StepScalingPolicyConfiguration"]
        lowest = min(int(one["ScalingAdjustment"]) for one in step["StepAdjustments"])
        if step["AdjustmentType"] != "ChangeInCapacity" or lowest < 1:
            yield f"the alarm that wakes {pool} may scale it in"


def dead_letters_raise_an_alarm(resources: Resources) -> Iterator[str]:
    """Of either pool."""
    watched = {
        one["Value"]
        for _, alarm in of_type(resources, "CloudWatch::Alarm")
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for one in alarm["Dimensions"]
    }
    for pool in POOLS:
        if f"cloudkon-{pool.lower()}-dead" not in watched:
            yield f"nobody is told of the dead letters of {pool}"


ALL = (
    metric_ids_are_valid_and_used,
    late_minutes_do_not_count_as_zero,
    backlog_counts_unfinished_messages_per_worker,
    metrics_are_the_pools_own,
    wake_alarm_scales_out_from_zero_and_never_in,
    dead_letters_raise_an_alarm,
)
