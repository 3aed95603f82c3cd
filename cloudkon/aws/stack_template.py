"""Prepares a template for CloudFormation, which limits its length."""

import json
import re
from collections.abc import Mapping
from typing import Final

from cloudkon.errors import InvalidInput

LONGEST: Final = 51_200
"""Bytes of a template that one request may carry (CloudFormation User Guide, CloudFormation quotas)."""
_BLOCK: Final = re.compile(r"(?:^|[\s:-])[|>][+-]?\d*$")
"""The end of a line that begins a YAML block scalar: the deeper lines that follow are its text."""
OWN_TAG: Final = '[{ Key: "cloudkon:fleet", Value: !Ref Fleet }]'
"""A list of tags in a template to which CloudFormation does not add the stack's tags."""


def with_tags(template: str, tags: Mapping[str, str]) -> str:
    """Return the template with these tags in each list that has the fleet's own tag alone.

    CloudFormation tags most resources by itself, but not launch templates and the volumes made from them. No function
    of templates makes a list of any length. Raises ``InvalidInput`` for tags with which the template gets too long.
    """
    more = "".join(f", {json.dumps({'Key': key, 'Value': value})}" for key, value in tags.items())
    tagged = template.replace(OWN_TAG, f"{OWN_TAG[:-1]}{more}]")
    if tags and (size := len(tagged.encode())) > LONGEST:
        reason = f"with them the template has {size:,} bytes, and CloudFormation accepts {LONGEST:,}"
        raise InvalidInput(f"{len(tags)} tags", reason, "Give fewer or shorter ones")
    return tagged


def without_comments(template: str) -> str:
    """Return a YAML template without comment lines and empty lines, which CloudFormation would count.

    Lines of block scalars stay as they are: there ``#`` begins no comment, as in a script's first line.
    """
    kept: list[str] = []
    block_depth: int | None = None
    for line in template.splitlines():
        text = line.strip()
        depth = len(line) - len(line.lstrip())
        if block_depth is not None and (not text or depth > block_depth):
            kept.append(line)
            continue
        block_depth = None
        if not text or text.startswith("#"):
            continue
        kept.append(line)
        if _BLOCK.search(line):
            block_depth = depth
    return "\n".join([*kept, ""])
