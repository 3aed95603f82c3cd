"""Checks whether a role's statements name the actions of calls; ``tests/fleet/iam_gate`` judges resources too."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.fleet.iam_gate.call_requests import OTHER_ACTIONS, PARTIQL
from tests.fleet.iam_gate.judge import listed, matches

Call = tuple[str, str]
"""A service and an operation, both as botocore names them: ``("ecs", "UpdateService")``."""


def actions(call: Call) -> tuple[str, ...]:
    """Return the IAM actions that a call may need; a batch of statements may read and write."""
    service, operation = call
    if operation == "BatchExecuteStatement":
        return tuple(f"dynamodb:{one}" for one in PARTIQL.values())
    return OTHER_ACTIONS.get(call, (f"{service}:{operation}",))


def allows(statements: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether a statement allows the action on any resource."""
    return any(
        one["Effect"] == "Allow" and any(matches(pattern, action) for pattern in listed(one["Action"]))
        for one in statements
    )
