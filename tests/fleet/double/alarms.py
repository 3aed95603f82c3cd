"""CloudWatch: alarms, those that AWS's scaling makes by itself among them, and metrics that the test put there."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.refusal import Refusal
from tests.fleet.double.table import Table
from tests.fleet.double.tags import as_dict

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Asked = dict[str, Any]


class CloudWatch:
    """``metrics`` are values by metric name and dimensions' values, such as ``("ApproximateAge…", "q")``.

    ``forgets``: whether AWS's scaling leaves its alarms behind, as it does where its group was deleted by force.
    """

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.metrics: dict[tuple[str, ...], float] = {}
        self.forgets = False
        self.alarms: Table[Asked] = Table(
            account.timeline, lambda name: Refusal("ResourceNotFound", f"alarm {name}", 404)
        )

    def put_metric_alarm(self, asked: Asked) -> Asked:
        name = asked["AlarmName"]
        ids = [one["Id"] for one in asked.get("Metrics", [])]
        if len(ids) != len(set(ids)) or sum(one.get("ReturnData", True) for one in asked.get("Metrics", [{}])) != 1:
            raise Refusal("ValidationError", "Exactly one element of the metrics list should return data.")
        self.alarms.add(name, asked)
        self._account.tags.put(self.arn(name), as_dict(asked.get("Tags", [])))
        return {}

    def delete_alarms(self, asked: Asked) -> Asked:
        for name in asked["AlarmNames"]:
            self.alarms.get(name)
            self.alarms.remove(name)
            self._account.tags.drop(self.arn(name))
        return {}

    def describe_alarms(self, asked: Asked) -> Asked:
        prefix, names = asked.get("AlarmNamePrefix", ""), asked.get("AlarmNames")
        kept = [name for name in self.alarms.names() if name.startswith(prefix) and (not names or name in names)]
        return {"MetricAlarms": [{"AlarmName": name, "AlarmArn": self.arn(name)} for name in kept]}

    def track(self, what: str) -> None:
        """Make the two alarms of a policy that tracks a target; they carry no tag."""
        for side in ("AlarmHigh", "AlarmLow"):
            self.alarms.add(f"TargetTracking-{what}-{side}-double", {})

    def lose_track(self, what: str) -> None:
        """Take them away again."""
        for side in () if self.forgets else ("AlarmHigh", "AlarmLow"):
            self.alarms.remove(f"TargetTracking-{what}-{side}-double")

    def get_metric_data(self, asked: Asked) -> Asked:
        results = []
        for query in asked["MetricDataQueries"]:
            value = self._value(query)
            kept = [] if value is None else [value]
            stamps = [asked["EndTime"]] * len(kept)
            one = {"Id": query["Id"], "Label": query["Id"], "Values": kept, "Timestamps": stamps}
            if query.get("ReturnData", True):
                results.append(one | {"StatusCode": "Complete"})
        return {"MetricDataResults": results}

    def _value(self, query: Asked) -> float | None:
        if "MetricStat" not in query:
            return None
        metric = query["MetricStat"]["Metric"]
        dimensions = sorted(str(one["Value"]) for one in metric.get("Dimensions", []))
        return self.metrics.get((metric["MetricName"], *dimensions))

    def arn(self, name: str) -> str:
        return self._account.arn("cloudwatch", f"alarm:{name}")
