"""CloudWatch Logs: groups and what was written to them."""

import json
import re
from typing import TYPE_CHECKING, Any

from tests.fleet.double.refusal import Refusal
from tests.fleet.double.table import Table

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Asked = dict[str, Any]
PAGE = 100
_FIELD = re.compile(r"\{ *\$\.(?P<name>\w+) *= *\"(?P<value>[^\"]*)\" *\}")


class Logs:
    """``lines`` are by group and stream: (epoch milliseconds, text)."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.groups: Table[dict[str, list[tuple[int, str]]]] = Table(
            account.timeline,
            lambda _: Refusal("ResourceNotFoundException", "The specified log group does not exist."),
        )

    def make(self, name: str, tags: dict[str, str]) -> str:
        """Make a log group and give its ARN."""
        if name in self.groups:
            raise Refusal("ResourceAlreadyExistsException", "The specified log group already exists")
        arn = self._account.arn("logs", f"log-group:{name}")
        self.groups.add(name, {})
        self._account.tags.put(arn, tags)
        return arn

    def drop(self, name: str) -> None:
        self.groups.get(name)
        self.groups.remove(name)
        self._account.tags.drop(self._account.arn("logs", f"log-group:{name}"))

    def write(self, group: str, stream: str, text: str) -> None:
        """As a container does through awslogs; lost where there is no such group."""
        if (streams := self.groups.find(group)) is not None:
            streams.setdefault(stream, []).append((self._now(), text))

    def describe_log_groups(self, asked: Asked) -> Asked:
        prefix = asked.get("logGroupNamePrefix", "")
        return {"logGroups": [{"logGroupName": name} for name in self.groups.names() if name.startswith(prefix)]}

    def delete_log_group(self, asked: Asked) -> Asked:
        self.drop(asked["logGroupName"])
        return {}

    def describe_log_streams(self, asked: Asked) -> Asked:
        streams = self.groups.get(asked["logGroupName"])
        names = sorted(name for name in streams if name.startswith(asked.get("logStreamNamePrefix", "")))
        found: list[Asked] = [{"logStreamName": name, "lastEventTimestamp": streams[name][-1][0]} for name in names]
        if asked.get("orderBy") == "LastEventTime":
            found.sort(key=lambda one: one["lastEventTimestamp"], reverse=asked.get("descending", False))
        return {"logStreams": found[: asked.get("limit", 50)]}

    def get_log_events(self, asked: Asked) -> Asked:
        lines = self.groups.get(asked["logGroupName"]).get(asked["logStreamName"])
        if lines is None:
            raise Refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        kept = [line for line in lines if _inside(line[0], asked)]
        limit = asked.get("limit", 10_000)
        kept = kept[:limit] if asked.get("startFromHead") else kept[-limit:]
        events = [{"timestamp": at, "message": text, "ingestionTime": at} for at, text in kept]
        return {"events": events, "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}

    def filter_log_events(self, asked: Asked) -> Asked:
        streams = self.groups.get(asked["logGroupName"])
        prefix, only = asked.get("logStreamNamePrefix", ""), asked.get("logStreamNames")
        assert not (prefix and only), "FilterLogEvents takes names or a prefix, not both"
        found: list[Asked] = [
            {"logStreamName": name, "timestamp": at, "message": text, "ingestionTime": at, "eventId": f"{name}/{index}"}
            for name, lines in streams.items()
            if name.startswith(prefix) and (only is None or name in only)
            for index, (at, text) in enumerate(lines)
            if _inside(at, asked) and _matches(text, asked.get("filterPattern", ""))
        ]
        found.sort(key=lambda one: one["timestamp"])
        start = int(asked.get("nextToken") or 0)
        page = found[start : start + min(asked.get("limit", PAGE), PAGE)]
        more = start + len(page)
        return {"events": page} | ({"nextToken": str(more)} if more < len(found) else {})

    def _now(self) -> int:
        return int(self._account.timeline.moment.timestamp() * 1000)


def _matches(text: str, pattern: str) -> bool:
    """A phrase in quotes, or ``{ $.name = "value" }`` for lines of JSON."""
    if not (found := _FIELD.fullmatch(pattern)):
        return pattern.strip('"') in text
    try:
        return bool(json.loads(text).get(found["name"]) == found["value"])
    except (ValueError, AttributeError):
        return False


def _inside(at: int, asked: Asked) -> bool:
    return bool(asked.get("startTime", 0) <= at < asked.get("endTime", at + 1))
