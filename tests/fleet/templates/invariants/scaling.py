"""Invariants of the backlog policies, the alarms, and their metric math."""

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
"""A metric that is not there by then does not come at all."""
QUEUE_METRICS = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible",
    "NumberOfMessagesReceived",
    "NumberOfEmptyReceives",
)
"""What shows that messages wait and nobody works (Amazon SQS Developer Guide, Available CloudWatch metrics)."""


def _queries(resources: Resources) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield every list of metrics and expressions, with its resource."""
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
    """CloudWatch reports other errors only after minutes, as a failed stack."""
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
    """The newest minutes always lack data: zeros there could keep an alarm silent for ever, or trigger it."""
    for name, queries in _queries(resources):
        expression = _expression(queries)
        if "visible" not in expression or re.search(r"FILL\((visible|inflight)", expression):
            yield f"{name} treats a queue's late minutes as zero"
        if name.endswith("BacklogPolicy") and not expression.endswith("/ IF(visible >= 0, desired)"):
            yield f"{name} has a value for minutes with missing data"
    for name, alarm in of_type(resources, "CloudWatch::Alarm"):
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{name} has no defined result without data"
        if "Metrics" in alarm and alarm["EvaluationPeriods"] <= LATE_MINUTES:
            yield f"{name} triggers for minutes that are only late"


def backlog_counts_unfinished_messages_per_worker(resources: Resources) -> Iterator[str]:
    """Count waiting and in-flight messages: by waiting messages alone, workers that keep up would look idle."""
    for name, queries in _queries(resources):
        if not name.endswith("BacklogPolicy"):
            continue
        measured = Counter(one["MetricStat"]["Metric"]["MetricName"] for one in queries if "MetricStat" in one)
        # In both of the pool's queues.
        if any(measured[f"ApproximateNumberOfMessages{which}"] < len(Priority) for which in ("Visible", "NotVisible")):
            yield f"{name} leaves out waiting or in-flight messages"
        busy = r"\(visible \+ visible_high \+ (\d+) \* IF\(inflight \+ inflight_high < (\d+) \* desired, "
        if not re.search(busy, " ".join(_expression(queries).split())):
            yield f"{name} does not count busy workers"


def metrics_are_the_pools_own(resources: Resources) -> Iterator[str]:
    """A pool scales by its own queues and service."""
    for name, queries in _queries(resources):
        pool = next(one for one in POOLS if name.startswith(one))
        for one in queries:
            metric = one.get("MetricStat", {}).get("Metric")
            if not metric:
                continue
            values = {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]}
            high = "-high" if one["Id"].endswith("_high") or "HighWake" in name else ""
            queue, service = f"cloudkon-{pool.lower()}{high}", f"<{pool}Service.Name>"
            if values not in ({"QueueName": queue}, {"ClusterName": "<Cluster>", "ServiceName": service}):
                yield f"{name}: {one['Id']} measures {values}"


def wake_alarms_scale_out_from_zero_and_never_in(resources: Resources) -> Iterator[str]:
    """Target tracking multiplies the count, which does not work at zero. Each queue has its alarm."""
    targets = {name for name, _ in of_type(resources, "ApplicationAutoScaling::ScalableTarget")}
    for pool in (target.removesuffix("Scaling") for target in targets):
        for queue in (pool, f"{pool}High"):
            alarm = resources.get(f"{queue}WakeAlarm", {}).get("Properties", {})
            if alarm.get("AlarmActions") != [f"<{pool}WakePolicy>"]:
                yield f"nothing wakes {pool} for messages of {queue}"
        step = resources[f"{pool}WakePolicy"]["Properties"]["StepScalingPolicyConfiguration"]
        lowest = min(int(one["ScalingAdjustment"]) for one in step["StepAdjustments"])
        if step["AdjustmentType"] != "ChangeInCapacity" or lowest < 1:
            yield f"the alarm that wakes {pool} may scale it in"


def wake_alarms_need_no_metric_of_a_sleeping_service(resources: Resources) -> Iterator[str]:
    """No document says what FILL or an operator gives for a metric without any point: only one queue's metrics count.

    A queue with messages is active, and SQS sends all metrics of an active queue.
    """
    for name, alarm in of_type(resources, "CloudWatch::Alarm"):
        if "Metrics" not in alarm:
            continue
        measured = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
        queues = {str(one["Dimensions"]) for one in measured}
        if {one["Namespace"] for one in measured} != {"AWS/SQS"} or len(queues) != 1:
            yield f"{name} depends on metrics that a sleeping service or an inactive queue does not send"
        if [one["MetricName"] for one in measured] != list(QUEUE_METRICS):
            yield f"{name} does not see whether somebody works"
        if _expression(alarm["Metrics"]) != "visible - 1000000000 * (inflight + received + empty)":
            yield f"{name} has an expression whose result without some points is unknown"


def dead_letters_raise_an_alarm(resources: Resources) -> Iterator[str]:
    """For each pool."""
    watched = {
        one["Value"]
        for _, alarm in of_type(resources, "CloudWatch::Alarm")
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for one in alarm["Dimensions"]
    }
    for pool in POOLS:
        if f"cloudkon-{pool.lower()}-dead" not in watched:
            yield f"no alarm reports the dead letters of {pool}"


ALL = (
    metric_ids_are_valid_and_used,
    late_minutes_do_not_count_as_zero,
    backlog_counts_unfinished_messages_per_worker,
    metrics_are_the_pools_own,
    wake_alarms_scale_out_from_zero_and_never_in,
    wake_alarms_need_no_metric_of_a_sleeping_service,
    dead_letters_raise_an_alarm,
)
