"""Splits statements into policies within IAM's size limit (IAM User Guide, IAM and AWS STS quotas)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .catalogue import Statement

LARGEST: Final = 6144
"""Characters of a managed policy. IAM does not count white space."""
MOST_PER_ROLE: Final = 10
"""Managed policies that a role or user takes, unless a higher quota was requested."""
VERSION: Final = "2012-10-17"
"""The version of the policy language (IAM User Guide, IAM JSON policy elements: Version)."""

Document = Mapping[str, Any]


def split(statements: Iterable[Statement]) -> list[Document]:
    """Return policies that have all the statements in their order, as few as that order allows.

    A ``Sid`` that a policy has already gets a number: within one policy they must differ.
    """
    policies: list[list[Statement]] = [[]]
    for statement in statements:
        if characters(_document([*policies[-1], statement])) > LARGEST:
            policies.append([])
        policies[-1].append(statement)
    return [_document(one) for one in policies]


def compact(document: Document) -> str:
    """Return a policy's JSON on one line, without white space."""
    return json.dumps(document, separators=(",", ":"))


def characters(document: Document) -> int:
    """Return a policy's size as IAM counts it."""
    return len("".join(compact(document).split()))


def _document(statements: list[Statement]) -> Document:
    used: dict[str, int] = {}
    numbered = []
    for one in statements:
        count = used[one["Sid"]] = used.get(one["Sid"], 0) + 1
        numbered.append({**one, "Sid": one["Sid"] if count == 1 else f"{one['Sid']}{count}"})
    return {"Version": VERSION, "Statement": numbered}
