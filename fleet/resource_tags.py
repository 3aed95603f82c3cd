"""Checks the tags that a user or an organization wants on everything that the fleet owns on AWS."""

import re
from collections.abc import Mapping
from typing import Final

from cloudkon.errors import InvalidInput

MOST_TAGS: Final = 46
"""AWS allows 50 a resource. The fleet sets one, and the Auto Scaling group has two more of its own."""
LONGEST_KEY: Final = 127
"""EC2's limit (EC2 API reference, Tag), and that of repositories (below); others allow 128."""
LONGEST_VALUE: Final = 255
"""The limit of repositories in CloudFormation's registry (schema of AWS::ECR::Repository); others allow 256."""
TEXT: Final = re.compile(r"[\w .:/=+@-]*")
"""What all services accept (Tagging AWS Resources User Guide, Tag naming limits and requirements)."""
RESERVED: Final = ("aws:", "cloudkon:")
AWS_PREFIX: Final = "aws:"
"""Reserved in any case, for values as for keys (ECS API reference, Tag)."""


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise ``InvalidInput`` for tags that AWS would refuse, or that are the fleet's own."""
    if len(tags) > MOST_TAGS:
        raise InvalidInput(f"{len(tags)} tags", "AWS allows 50 a resource", f"Give up to {MOST_TAGS}")
    _check_cases(tags)
    for key, value in tags.items():
        given = f"--tags {key}={value}"
        if not key or len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            limits = f"a key has 1 to {LONGEST_KEY} characters, a value up to {LONGEST_VALUE}"
            raise InvalidInput(given, limits, "Example: --tags team=render")
        if key.lower().startswith(RESERVED):
            raise InvalidInput(
                given, f"keys that begin with {' or '.join(RESERVED)} are reserved", "Choose another key"
            )
        if value.lower().startswith(AWS_PREFIX):
            raise InvalidInput(given, f"values that begin with {AWS_PREFIX} are reserved", "Choose another value")
        if not TEXT.fullmatch(key) or not TEXT.fullmatch(value):
            allowed = "AWS allows letters, digits, spaces and _ . : / = + - @"
            raise InvalidInput(given, allowed, "Leave out the others")


def remaining_tags(present: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that a stack has after an update, without the fleet's own.

    Raises ``InvalidInput`` if ``given`` does not go with those that ``present`` has from earlier.
    """
    kept = {key: value for key, value in present.items() if not key.startswith(RESERVED) and key not in given}
    added = {key: value for key, value in given.items() if value}
    known = {key.lower(): key for key in kept}
    for key in added:
        if other := known.get(key.lower()):
            # In one update, a role might lose both: to IAM they are the same key.
            raise InvalidInput(
                f"--tags {key}",
                f"a role can't also have the key {other}, which the fleet has: they differ only in case",
                f"First remove that one: --tags {other}=",
            )
    if len(kept) + len(added) > MOST_TAGS:
        raise InvalidInput(
            f"{len(added)} tags",
            f"the fleet has {len(kept)} others, and AWS allows 50 a resource",
            f"Remove some, so that {MOST_TAGS} are left: --tags KEY=",
        )
    return {**kept, **added}


def _check_cases(tags: Mapping[str, str]) -> None:
    """Refuse keys that differ only in case: roles can't have both (IAM User Guide, Tags for IAM resources)."""
    found: dict[str, str] = {}
    for key in tags:
        if (other := found.setdefault(key.lower(), key)) != key:
            raise InvalidInput(
                f"--tags {key}", f"a role can't also have the key {other}: they differ only in case", "Give one of them"
            )


def parse_tags(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the tags of ``KEY=VALUE`` texts; ``KEY=`` removes one. Raises ``InvalidInput`` if ``=`` is missing."""
    tags: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"--tags {text}", "a tag is KEY=VALUE", "Example: --tags team=render")
        tags[key.strip()] = value.strip()
    return tags
