"""Answers what AWS's Service Authorization Reference says of an action: its resource types and condition keys."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from tests.fleet.iam_gate.extract_service_authorization import STORED

REQUEST_KEYS: Final = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
"""Global keys that only those actions have that name them."""


@dataclass(frozen=True, slots=True)
class Action:
    """``types`` are the resource types that the action can be limited to, with whether each is always involved.

    ``keys`` are its condition keys, and ``type_keys`` those of each of its types. All are in small letters, because IAM
    compares them so.
    """

    name: str
    types: Mapping[str, bool]
    keys: frozenset[str]
    type_keys: Mapping[str, frozenset[str]]

    def knows(self, key: str, kind: str) -> bool:
        """Whether a condition key can have a value when the action is judged on a resource of that type.

        Keys with a placeholder match any tag: ``aws:RequestTag/${TagKey}``.
        """
        key = key.lower()
        if key.startswith("aws:") and not key.startswith(REQUEST_KEYS):
            return True
        known = self.keys | self.type_keys.get(kind, frozenset())
        return key in known or f"{key.partition('/')[0]}/${{tagkey}}" in known


@cache
def find_action(name: str) -> Action | None:
    """Return an action by its full name, such as ``ecs:UpdateService``, or ``None`` if there is none."""
    service, _, short = name.partition(":")
    row = _actions(service).get(short.lower())
    if row is None:
        return None
    kinds = _services()[service]["types"]
    type_keys = {kind: _lower(one["keys"]) | _lower(kinds[kind]["keys"]) for kind, one in row["types"].items()}
    types = {kind: one["required"] for kind, one in row["types"].items()}
    return Action(name, types, _lower(row["keys"]), type_keys)


def expand(pattern: str) -> list[str]:
    """Return the names of all actions that a pattern of a policy matches, such as ``ecs:Describe*``."""
    service, _, short = pattern.partition(":")
    known = _services().get(service, {"actions": {}})["actions"]
    return [f"{service}:{name}" for name in known if fnmatchcase(name.lower(), short.lower())]


def arn_format(service: str, kind: str) -> str:
    """Return the ARN of a resource type with placeholders: ``arn:${Partition}:sqs:${Region}:${Account}:${Queue}``."""
    return str(_services()[service]["types"][kind]["arn"])


def _lower(keys: list[str]) -> frozenset[str]:
    return frozenset(key.lower() for key in keys)


@cache
def _actions(service: str) -> Mapping[str, Any]:
    """Return one service's actions by their names in small letters."""
    return {name.lower(): row for name, row in _services().get(service, {"actions": {}})["actions"].items()}


@cache
def _services() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))["services"]
    return found
