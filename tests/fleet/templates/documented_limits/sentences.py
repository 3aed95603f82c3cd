"""Splits the HTML of botocore's API documentation into sentences, and says which of them may hold a limit."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Final

_BLOCK: Final = re.compile(r"</?(?:p|li|ul|ol|dl|dt|dd|note|important|fullname|h\d)\b[^>]*>")
_TAG: Final = re.compile(r"<[^>]+>")
_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_ATTRIBUTE: Final = re.compile(r"^([A-Z]\w+) \u2013 ")
LIMIT: Final = re.compile(
    r"(?:allowed|valid|supported) (?:characters|values|range)|are (?:allowed|accepted)\b|"
    r"must (?:not |only |also )?(?:be|start|begin|end|contain|follow|match)\b|"
    r"can(?:not|'t) (?:be (?:longer|more|prefixed)|contain|start)\b|"
    r"\bup to [\d-]|at most \d|maximum (?:length )?of \d|no (?:more|longer) than|between -?\d|multiple of|"
    r"limited to|reserved prefix|less than \d|than or equal to \d|ASCII",
    re.IGNORECASE,
)
"""Words of sentences that may say which values AWS refuses."""


def sentences(documentation: str) -> Iterator[str]:
    """Yield the sentences of a member's documentation that may hold a limit, without markup."""
    return (one for one in _all(documentation) if LIMIT.search(one))


def attribute_texts(documentation: str) -> Mapping[str, list[str]]:
    """Return such sentences by attribute, for a map whose keys are documented in one list (SQS's attributes)."""
    found: dict[str, list[str]] = {}
    name = ""
    for one in _all(documentation):
        if begins := _ATTRIBUTE.match(one):
            name = begins[1]
        if name and LIMIT.search(one):
            found.setdefault(name, []).append(one)
    return found


def _all(documentation: str) -> Iterator[str]:
    for block in _BLOCK.split(documentation):
        text = re.sub(r"\s+", " ", html.unescape(_TAG.sub("", block))).strip()
        yield from (one for one in _END.split(text) if one)
