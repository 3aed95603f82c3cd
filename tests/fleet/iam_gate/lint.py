"""Finds statements that IAM accepts and that never match: unknown actions, resources and condition keys.

The rules are those of the linters policy-sentry and parliament, on the data of the Service Authorization Reference.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tests.fleet.iam_gate.judge import Statement, listed
from tests.fleet.iam_gate.service_authorization import Action, arn_format, expand, find_action

_PLACE: Final = re.compile(r"\$\{\w+\}")


def mistakes(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield a line for each action of each statement that IAM would never allow by it."""
    for statement in statements:
        for pattern in listed(statement["Action"]):
            names = expand(pattern)
            if not names:
                yield f"{statement['Sid']}: there is no action {pattern}"
            for name in names if "*" not in pattern else ():
                action = find_action(name)
                assert action is not None
                yield from (f"{statement['Sid']}: {text}" for text in _mistakes(statement, action))


def _mistakes(statement: Statement, action: Action) -> Iterator[str]:
    limits = listed(statement["Resource"])
    fitting = [kind for kind in action.types if any(_fits(action, kind, one) for one in limits)]
    if limits != ["*"] and not fitting:
        yield f"{action.name} can't be limited to {', '.join(limits)}"
    for keys in statement.get("Condition", {}).values():
        for key in keys:
            kinds = fitting or [*action.types, ""]
            if not any(action.knows(key, kind) for kind in kinds):
                yield f"{action.name} has no condition key {key}"


def _fits(action: Action, kind: str, limit: str) -> bool:
    """Whether a resource of that type can have an ARN that the limit matches: their beginnings don't contradict."""
    if limit == "*":
        return True
    service, _, own = _resource(_PLACE.sub("*", arn_format(action.name.partition(":")[0], kind)))
    named, _, limited = _resource(limit)
    first, second = own.split("*")[0], limited.split("*")[0]
    return service == named and (first.startswith(second) or second.startswith(first))


def _resource(arn: str) -> tuple[str, str, str]:
    """Return an ARN's service, account and resource."""
    _, _, service, _, account, resource = arn.split(":", 5)
    return service, account, resource
