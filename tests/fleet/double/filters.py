"""Applies filters of EC2 and Auto Scaling."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Thing = dict[str, Any]


def filtered(
    found: Iterable[Thing], request: Mapping[str, Any], reads: Mapping[str, Callable[[Any], object]]
) -> list[Thing]:
    """Apply a call's filters to the items. A filter that the double does not know fails the test."""
    kept = list(found)
    for one in request.get("Filters", []):
        name = one["Name"]
        if name.startswith("tag:"):
            kept = [each for each in kept if _tag(each, name.removeprefix("tag:")) in one["Values"]]
        else:
            assert name in reads, f"the double does not know the filter {name}"
            kept = [each for each in kept if reads[name](each) in one["Values"]]
    return kept


def _tag(thing: Thing, key: str) -> str | None:
    return next((tag["Value"] for tag in thing.get("Tags", []) if tag["Key"] == key), None)
