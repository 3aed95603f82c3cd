"""Reads limits out of AWS's sentences, and holds values against them.

A rule is data, as ``limits.json`` stores it beside its sentence:

    longest, bytes      of a text
    characters, first   classes of a regular expression, for all characters or the first one
    not_first           beginnings that a text must not have
    least, most         bounds of a number, inclusive; above is exclusive
    one_of, multiple_of values that are allowed, or multiples of which
    items               the most items of a list
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Rule = dict[str, Any]

_CLASSES: Final = {
    "alphanumeric characters": "A-Za-z0-9",
    "letters": "A-Za-z",
    "lowercase letters": "a-z",
    "a lowercase letter": "a-z",
    "a letter": "A-Za-z",
    "numbers": "0-9",
    "hyphens": r"\-",
    "underscores": "_",
    "underscore": "_",
    "periods": r"\.",
    "colons": ":",
    "forward slashes": "/",
    "number signs": "#",
    "spaces": " ",
    "a-z": "a-z",
    "A-Z": "A-Z",
    "0-9": "0-9",
}
_N: Final = r"-?\d[\d,]*"
_RANGE: Final = rf"(?P<least>{_N})\b.*? (?:to|and) (?P<most>{_N})\b"
_VALUES: Final = r"(?P<one_of>\"?\w[\w:-]*\"?(?:(?:,| \|) (?:and )?\"?\w[\w:-]*\"?)+)"

_READ: Final = tuple(
    re.compile(one)
    for one in (
        rf"[Uu]p to (?P<longest>{_N}) (?:letters|characters)\b",
        rf"a maximum of (?P<longest>{_N}) (?:Unicode )?characters",
        rf"cannot be longer than (?P<longest>{_N}) characters",
        rf"is limited to (?P<kilobytes>{_N}) KB",
        rf"a maximum length of (?P<bytes>{_N}) bytes",
        r"^(?:Valid|Allowed) characters(?: are|:) (?P<characters>.+)$",
        r"^The valid characters are (?P<characters>.+)$",
        r"^The following characters are accepted: (?P<characters>.+)$",
        r"^Valid values: (?P<characters>alphanumeric characters, .+)$",
        r"^Up to \d+ (?P<characters>letters .+) are allowed\.$",
        r"are allowed, including (?P<characters>letters .+)\.$",
        r"can only contain (?P<characters>.+)$",
        r"(?:The first character must be|must start with) (?P<first>a (?:lowercase )?letter)",
        r"have the reserved prefix: (?P<not_first>\S+)\.$",
        r"can't be prefixed with (?P<not_first>.+)\.$",
        rf"greater than (?P<above>{_N}) and less than or equal to (?P<most>{_N})",
        rf"valid range is {_RANGE}",
        rf"specify between {_RANGE}",
        rf"^Valid values: (?:An integer from )?{_RANGE}",
        rf"don't specify less than (?P<least>{_N}) MiB",
        r"^Valid values are (?P<one_of>(?:\d+, )+)and any multiple of (?P<multiple_of>\d+)",
        r"and must be a multiple of (?P<multiple_of>\d+)",
        rf"^(?:The (?:valid|supported) values are|Valid values are|Valid [Vv]alues:) {_VALUES}\.?$",
        rf"a maximum of (?P<items>{_N}) (?:capacity providers|strategy rules|tags)",
        rf"up to (?P<items>{_N}) (?:cluster|container|instances|keys|names|services|task)\b",
    )
)
"""Forms of sentences. A group's name is the rule's."""
_SAYS: Final[Mapping[str, Rule]] = {
    "must contain only ASCII characters": {"characters": r"\x20-\x7e"},
    "can't contain ASCII control characters": {"characters": r"^\x00-\x1f\x7f"},
    "cannot start with a colon": {"not_first": [":"]},
    "must be a non-zero positive integer": {"least": 1},
}
"""What a sentence says by words alone."""


def rule_of(sentence: str) -> Rule:
    """Return the rule that a sentence states; empty if it states none that is read here."""
    rule: Rule = {}
    for words, said in _SAYS.items():
        if words in sentence:
            rule |= said
    for form in _READ:
        if found := form.search(sentence):
            for name, text in found.groupdict().items():
                rule |= _part(name, text)
    return rule


def _part(name: str, text: str) -> Rule:
    if name in ("characters", "first"):
        return {name: _class(text)}
    if name in ("one_of", "not_first"):
        return {name: [one.strip('" .,') for one in re.split(r",\s+(?:and |or )?|\s+and\s+|\s+\|\s+", text) if one]}
    number = int(text.replace(",", ""))
    return {"bytes": number * 1024} if name == "kilobytes" else {name: number}


def _class(words: str) -> str:
    """Return the class of a list such as ``lowercase letters, numbers, and hyphens (-)``."""
    plain = re.sub(r"\s*\([^()]*\w[^()]*\)|\s*\([^\w\s]\)", "", words)
    parts = [one for one in re.split(r",\s+(?:and\s+)?|\s+and\s+", plain) if one]
    return "".join(_CLASSES.get(one.removesuffix("."), re.escape(one)) for one in parts)


def broken(rule: Mapping[str, Any], value: Any) -> Iterator[str]:  # noqa: ANN401  (any value of a template or request)
    """Yield each part of the rule that the value breaks."""
    text = "" if isinstance(value, (list, dict)) else str(value)
    checks: Mapping[str, Callable[[Any], bool]] = {
        "longest": lambda limit: len(text) <= limit,
        "bytes": lambda limit: len(text.encode()) <= limit,
        "characters": lambda allowed: re.fullmatch(f"[{allowed}]*", text) is not None,
        "first": lambda allowed: re.match(f"[{allowed}]", text) is not None,
        "not_first": lambda refused: not text.lower().startswith(tuple(refused)),
        "least": lambda limit: float(text) >= limit,
        "above": lambda limit: float(text) > limit,
        "most": lambda limit: float(text) <= limit,
        "one_of": lambda allowed: text in allowed or _is_multiple(text, rule),
        "multiple_of": lambda _: _is_multiple(text, rule) or text in rule.get("one_of", ()),
        "items": lambda limit: len(value) <= limit,
    }
    # A list's documentation also speaks of its items, and of what it may be filtered by: only its length is checked.
    yield from (name for name in rule if (name == "items" or text) and not checks[name](rule[name]))


def _is_multiple(text: str, rule: Mapping[str, Any]) -> bool:
    return "multiple_of" in rule and float(text) % rule["multiple_of"] == 0
