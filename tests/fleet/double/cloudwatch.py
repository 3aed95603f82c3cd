"""Implements CloudWatch: alarms, including those that AWS's scaling creates, and metrics that tests set."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.alarm_evaluation import AlarmEvaluation
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable
from tests.fleet.double.tags import as_dict

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]


class CloudWatch:
    """``metrics`` are values by metric name and dimension values, such as ``("ApproximateAge…", "q")``.

    ``keeps_alarms``: whether AWS's scaling leaves its alarms behind, as it does when the group was force-deleted.
    """

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.metrics: dict[tuple[str, ...], float] = {}
        self.keeps_alarms = False
        self.alarms: ResourceTable[Document] = ResourceTable(
            account.timeline, lambda name: ApiError("ResourceNotFound", f"alarm {name}", 404)
        )

    def put_metric_alarm(self, request: Document) -> Document:
        name = request["AlarmName"]
        ids = [one["Id"] for one in request.get("Metrics", [])]
        if len(ids) != len(set(ids)) or sum(one.get("ReturnData", True) for one in request.get("Metrics", [{}])) != 1:
            raise ApiError("ValidationError", "Exactly one element of the metrics list should return data.")
        if name not in self.alarms and request.get("Metrics") and request.get("AlarmActions"):
            AlarmEvaluation(self._account, name).start()
        self.alarms.add(name, request)
        self._account.tags.put(self.arn(name), as_dict(request.get("Tags", [])))
        return {}

    def delete_alarms(self, request: Document) -> Document:
        for name in request["AlarmNames"]:
            self.alarms.get(name)
            self.alarms.remove(name)
            self._account.tags.remove(self.arn(name))
        return {}

    def describe_alarms(self, request: Document) -> Document:
        prefix, names = request.get("AlarmNamePrefix", ""), request.get("AlarmNames")
        kept = [name for name in self.alarms.names() if name.startswith(prefix) and (not names or name in names)]
        return {"MetricAlarms": [{"AlarmName": name, "AlarmArn": self.arn(name)} for name in kept]}

    def create_tracking_alarms(self, what: str) -> None:
        """Create the two alarms of a target tracking policy; they have no tag."""
        for side in ("AlarmHigh", "AlarmLow"):
            self.alarms.add(f"TargetTracking-{what}-{side}-double", {})

    def delete_tracking_alarms(self, what: str) -> None:
        """Delete these alarms."""
        for side in () if self.keeps_alarms else ("AlarmHigh", "AlarmLow"):
            self.alarms.remove(f"TargetTracking-{what}-{side}-double")

    def get_metric_data(self, request: Document) -> Document:
        results = []
        for query in request["MetricDataQueries"]:
            value = self._value(query)
            kept = [] if value is None else [value]
            stamps = [request["EndTime"]] * len(kept)
            one = {"Id": query["Id"], "Label": query["Id"], "Values": kept, "Timestamps": stamps}
            if query.get("ReturnData", True):
                results.append(one | {"StatusCode": "Complete"})
        return {"MetricDataResults": results}

    def _value(self, query: Document) -> float | None:
        if "MetricStat" not in query:
            return None
        metric = query["MetricStat"]["Metric"]
        dimensions = sorted(str(one["Value"]) for one in metric.get("Dimensions", []))
        return self.metrics.get((metric["MetricName"], *dimensions))

    def arn(self, name: str) -> str:
        return self._account.arn("cloudwatch", f"alarm:{name}")
