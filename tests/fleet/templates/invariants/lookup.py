"""Finds a template's resources by their type."""

from collections.abc import Iterator
from typing import Any

from tests.support.template_rendering import Resources


def of_type(resources: Resources, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield logical id and properties of each resource of a type, such as ``ECS::Service``."""
    for name, one in resources.items():
        if one["Type"] == f"AWS::{kind}":
            yield name, one["Properties"]


def the(resources: Resources, kind: str) -> dict[str, Any]:
    """Return the properties of the only resource of a type."""
    ((_, properties),) = of_type(resources, kind)
    return properties


def depends(resources: Resources, name: str, on: str) -> bool:
    """Whether a resource is created after another one and deleted before it, by ``DependsOn`` or by reference."""
    one = resources[name]
    reports = one.get("DependsOn", [])
    return on in ([reports] if isinstance(reports, str) else reports) or f"<{on}" in str(one["Properties"])
