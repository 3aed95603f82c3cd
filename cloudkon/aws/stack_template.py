"""Prepares a template for CloudFormation, which limits its length."""

import re
from typing import Final

LONGEST: Final = 51_200
"""Bytes of a template that one request may carry (CloudFormation User Guide, CloudFormation quotas)."""
_BLOCK: Final = re.compile(r"(?:^|[\s:-])[|>][+-]?\d*$")
"""The end of a line that begins a YAML block scalar: the deeper lines that follow are its text."""


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
