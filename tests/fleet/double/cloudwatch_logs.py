"""Implements CloudWatch Logs: log groups and their lines."""

import json
import re
from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
PAGE = 100
_FIELD = re.compile(r"\{ *\$\.(?P<name>\w+) *= *\"(?P<value>[^\"]*)\" *\}")


class Logs:
    """``lines`` are by group and stream: (epoch milliseconds, text)."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.groups: ResourceTable[dict[str, list[tuple[int, str]]]] = ResourceTable(
            account.timeline,
            lambda _: ApiError("ResourceNotFoundException", "The specified log group does not exist."),
        )

    def create(self, name: str, tags: dict[str, str]) -> str:
        """Create a log group and return its ARN."""
        if name in self.groups:
            raise ApiError("ResourceAlreadyExistsException", "The specified log group already exists")
        arn = self._account.arn("logs", f"log-group:{name}")
        self.groups.add(name, {})
        self._account.tags.put(arn, tags)
        return arn

    def remove(self, name: str) -> None:
        self.groups.get(name)
        self.groups.remove(name)
        self._account.tags.remove(self._account.arn("logs", f"log-group:{name}"))

    def write(self, group: str, stream: str, text: str) -> None:
        """Write a line, as a container does through awslogs. It is lost if the group does not exist."""
        if (streams := self.groups.find(group)) is not None:
            streams.setdefault(stream, []).append((self._now(), text))

    def describe_log_groups(self, request: Document) -> Document:
        prefix = request.get("logGroupNamePrefix", "")
        return {"logGroups": [{"logGroupName": name} for name in self.groups.names() if name.startswith(prefix)]}

    def delete_log_group(self, request: Document) -> Document:
        self.remove(request["logGroupName"])
        return {}

    def describe_log_streams(self, request: Document) -> Document:
        streams = self.groups.get(request["logGroupName"])
        names = sorted(name for name in streams if name.startswith(request.get("logStreamNamePrefix", "")))
        found: list[Document] = [{"logStreamName": name, "lastEventTimestamp": streams[name][-1][0]} for name in names]
        if request.get("orderBy") == "LastEventTime":
            found.sort(key=lambda one: one["lastEventTimestamp"], reverse=request.get("descending", False))
        return {"logStreams": found[: request.get("limit", 50)]}

    def get_log_events(self, request: Document) -> Document:
        lines = self.groups.get(request["logGroupName"]).get(request["logStreamName"])
        if lines is None:
            raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
        kept = [line for line in lines if _inside(line[0], request)]
        limit = request.get("limit", 10_000)
        kept = kept[:limit] if request.get("startFromHead") else kept[-limit:]
        events = [{"timestamp": at, "message": text, "ingestionTime": at} for at, text in kept]
        return {"events": events, "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}

    def filter_log_events(self, request: Document) -> Document:
        streams = self.groups.get(request["logGroupName"])
        prefix, only = request.get("logStreamNamePrefix", ""), request.get("logStreamNames")
        assert not (prefix and only), "FilterLogEvents takes names or a prefix, not both"
        found: list[Document] = [
            {"logStreamName": name, "timestamp": at, "message": text, "ingestionTime": at, "eventId": f"{name}/{index}"}
            for name, lines in streams.items()
            if name.startswith(prefix) and (only is None or name in only)
            for index, (at, text) in enumerate(lines)
            if _inside(at, request) and _matches(text, request.get("filterPattern", ""))
        ]
        found.sort(key=lambda one: one["timestamp"])
        start = int(request.get("nextToken") or 0)
        page = found[start : start + min(request.get("limit", PAGE), PAGE)]
        more = start + len(page)
        return {"events": page} | ({"nextToken": str(more)} if more < len(found) else {})

    def _now(self) -> int:
        return int(self._account.timeline.moment.timestamp() * 1000)


def _matches(text: str, pattern: str) -> bool:
    """Match a quoted phrase, or ``{ $.name = "value" }`` for lines of JSON."""
    if not (found := _FIELD.fullmatch(pattern)):
        return pattern.strip('"') in text
    try:
        return bool(json.loads(text).get(found["name"]) == found["value"])
    except (ValueError, AttributeError):
        return False


def _inside(at: int, request: Document) -> bool:
    return bool(request.get("startTime", 0) <= at < request.get("endTime", at + 1))
