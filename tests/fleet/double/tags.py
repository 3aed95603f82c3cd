"""Stores the tags of resources. The tagging API reads them, and the audit after ``down`` depends on it."""

from typing import Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.timeline import Timeline

UNKNOWN_TO_TAGGING = ("arn:aws:iam:", ":autoScalingGroup:", ":scheduled-action/", ":scaling-policy/")
"""Resource types that GetResources never lists (Resource Groups Tagging API's guide, supported services)."""
LINGER_SECONDS = 8.0
"""How long GetResources still lists a deleted resource: its index is eventually consistent."""
LATE_SECONDS = 150.0
"""Until a new resource's tags are seen, and how long a deleted one is listed, under the reading ``TAGS_SEEN_LATE``."""
PAGE = 50


class Tags:
    """Tags by ARN. ``GetResources`` is the only operation of the tagging API here."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._held: dict[str, dict[str, str]] = {}
        self._gone: dict[str, tuple[float, dict[str, str]]] = {}
        self._since: dict[str, float] = {}
        self.late = False
        """Whether readers see tags late."""

    def put(self, arn: str, tags: dict[str, str]) -> None:
        if tags:
            self._held.setdefault(arn, {}).update(tags)
            self._since.setdefault(arn, self._timeline.now)

    def seen(self, arn: str) -> bool:
        """Whether readers see the resource's tags by now."""
        return not self.late or self._since.get(arn, 0.0) + LATE_SECONDS <= self._timeline.now

    def of(self, arn: str) -> dict[str, str]:
        return dict(self._held.get(arn) or self._gone.get(arn, (0.0, {}))[1])

    def remove(self, arn: str, lingers: float = LINGER_SECONDS) -> None:
        """Note a deletion; GetResources lists the resource for ``lingers`` seconds more."""
        self._since.pop(arn, None)
        if arn in self._held:
            lingers = max(lingers, LATE_SECONDS) if self.late else lingers
            self._gone[arn] = (self._timeline.now + lingers, self._held.pop(arn))

    def arns(self, key: str, value: str) -> list[str]:
        """Return the ARNs of all existing resources with this tag, without lag."""
        return sorted(arn for arn, tags in self._held.items() if tags.get(key) == value)

    def get_resources(self, request: dict[str, Any]) -> dict[str, Any]:
        found = {arn: tags for arn, tags in self._held.items() if self.seen(arn)}
        found |= {arn: tags for arn, (until, tags) in self._gone.items() if until > self._timeline.now}
        filters = request.get("TagFilters", [])
        if any(one.get("Key", "").startswith("aws:") for one in filters):
            raise ApiError("InvalidParameterException", "tag keys must not begin with aws:")
        arns = sorted(
            arn
            for arn, tags in found.items()
            if not any(part in arn for part in UNKNOWN_TO_TAGGING)
            and all(tags.get(one["Key"]) in one.get("Values", [tags.get(one["Key"])]) for one in filters)
            and all(one["Key"] in tags for one in filters)
        )
        start = int(request.get("PaginationToken") or 0)
        page = arns[start : start + int(request.get("ResourcesPerPage", PAGE))]
        more = start + len(page)
        return {
            "PaginationToken": str(more) if more < len(arns) else "",
            "ResourceTagMappingList": [{"ResourceARN": arn, "Tags": as_list(found[arn])} for arn in page],
        }


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the form that most services use."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_dict(tags: list[dict[str, Any]]) -> dict[str, str]:
    """Read tags in either form: ``Key`` and ``Value``, or ``key`` and ``value`` as in ECS."""
    return {str(one.get("Key", one.get("key"))): str(one.get("Value", one.get("value"))) for one in tags}
