"""Prepares a template for CloudFormation, which limits its length."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cloudkon.errors import InvalidInput

LONGEST: Final = 51_200
"""Bytes of a template that one request may carry (CloudFormation User Guide, CloudFormation quotas)."""
_BLOCK: Final = re.compile(r"(?:^|[\s:-])[|>][+-]?\d*$")
"""The end of a line that begins a YAML block scalar: the deeper lines that follow are its text."""
_INCLUDE: Final = re.compile(r"^( *)\{\{ ([\w.-]+) \}\}$", re.MULTILINE)
"""A line of a template that stands for a file."""
OWN_PREFIX: Final = "cloudkon:"
"""Begins the keys of the fleet's own tags, which the template has."""
OWN_TAG: Final = '[{ Key: "cloudkon:fleet", Value: !Ref Fleet }]'
"""A list of tags in a template to which CloudFormation does not add the stack's tags."""


def read_template(path: Path) -> str:
    """Return a template's text. Each line ``{{ NAME }}`` becomes the shell script NAME beside it, for ``Fn::Sub``.

    So a script of the instances is a file that tests can run. Its empty lines and comment lines are left out.
    """

    def included(line: re.Match[str]) -> str:
        indent, name = line.groups()
        first, *others = path.with_name(name).read_text(encoding="utf-8").splitlines()
        kept = [first, *(one for one in others if one.strip() and not one.lstrip().startswith("#"))]
        # Shell's ${x} would be the template's parameter x.
        return "\n".join(indent + one.replace("${", "${!") for one in kept)

    return _INCLUDE.sub(included, path.read_text(encoding="utf-8"))


def prepared(template: str, tags: Mapping[str, str]) -> str:
    """Return a template as it is sent: without comments, with the tags that a user or an organization chose.

    ``tags`` are all of the stack. Raises ``InvalidInput`` for tags with which the template gets too long.
    """
    chosen = {key: value for key, value in tags.items() if not key.startswith(OWN_PREFIX)}
    return with_tags(without_comments(template), chosen)


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
