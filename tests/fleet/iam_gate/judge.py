"""Judges a request as IAM does: by the statements of identity-based policies, resources and conditions included.

    refusals(statements, Request("ecs:UpdateService", (Target("service", "arn:aws:ecs:…:service/some/worker"),)))

Sources: IAM User Guide, Policy evaluation logic; IAM JSON policy elements: Condition operators; Service Authorization
Reference, The actions table.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from tests.fleet.iam_gate.service_authorization import Action, find_action

Statement = Mapping[str, Any]
Context = Mapping[str, str]
"""Condition keys in small letters, with their values."""

UNCERTAIN: Final = frozenset({"ecs:CreateCapacityProvider", "ecs:CreateCluster", "ecs:RegisterTaskDefinition"})
"""Actions that can be limited to a resource by the Service Authorization Reference, and that have none in the examples
of the Amazon ECS Developer Guide (Identity-based policy examples). By default, both must allow the request."""
ON_ANY: Final = "any"
ON_ARN: Final = "arn"
BOTH: Final = frozenset({ON_ANY, ON_ARN})
"""What these actions may be judged on: on anything, or on the ARN of what they create."""
ANY: Final = "*"
"""The resource that a request without a resource is judged on."""


@dataclass(frozen=True, slots=True)
class Target:
    """A resource of a request; ``kind`` is its type in the Service Authorization Reference."""

    kind: str
    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What IAM is asked: an action on some resources in a context."""

    action: str
    targets: tuple[Target, ...] = ()
    context: Context = field(default_factory=dict)


def refusals(statements: Sequence[Statement], request: Request, judged_on: frozenset[str] = BOTH) -> Iterator[str]:
    """Yield a line for each resource on which no statement allows the request's action.

    ``judged_on`` is the reading by which actions in ``UNCERTAIN`` are judged.
    """
    action = find_action(request.action)
    assert action is not None, f"AWS knows no action {request.action}"
    concerned = [one for one in request.targets if one.kind in action.types]
    # Several required types may be alternatives: dynamodb:GetResourcePolicy names table and stream.
    assert concerned or not any(action.types.values()), f"{request.action}: the gate names no {set(action.types)}"
    if action.name in UNCERTAIN:
        concerned = concerned if ON_ARN in judged_on else []
        concerned += [Target("", ANY)] if ON_ANY in judged_on else []
    concerned = concerned or [Target("", ANY)]
    for target in concerned:
        if not any(_allows(one, action, target, request.context) for one in statements):
            yield f"{action.name} on {target.arn}"


def listed(value: str | Sequence[str]) -> list[str]:
    """Return a list; IAM lets a list of one be written without brackets."""
    return [value] if isinstance(value, str) else list(value)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern of a policy matches, in which ``*`` is any text and ``?`` any letter."""
    return _compiled(pattern).fullmatch(text) is not None


def _allows(statement: Statement, action: Action, target: Target, context: Context) -> bool:
    assert statement["Effect"] == "Allow", "the gate knows only statements that allow"
    return (
        any(matches(one.lower(), action.name.lower()) for one in listed(statement["Action"]))
        and any(_covers(one, target) for one in listed(statement["Resource"]))
        and all(
            _holds(operator, key, listed(wanted), action, target, context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _covers(resource: str, target: Target) -> bool:
    """Whether a statement's resource is the target's. What has no resource is covered by ``*`` only."""
    return resource == ANY if target.arn == ANY else matches(resource, target.arn)


def _holds(operator: str, key: str, wanted: list[str], action: Action, target: Target, context: Context) -> bool:
    """Whether a condition holds. A key that the action does not have never has a value."""
    name, _, tag = key.partition("/")
    if not action.knows(key, target.kind):
        found = None
    elif name.lower() in ("aws:resourcetag", "ec2:resourcetag"):
        found = target.tags.get(tag)
    else:
        found = context.get(key.lower())
    if operator == "Null":
        return [str(found is None).lower()] == wanted
    if found is None:
        return operator.endswith("IfExists")
    if operator in ("StringEquals", "ForAnyValue:StringEquals"):
        return found in wanted
    known = operator.removesuffix("IfExists") in ("ArnEquals", "ArnLike")
    assert known, f"the gate does not know the operator {operator}"
    return any(matches(one, found) for one in wanted)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)
