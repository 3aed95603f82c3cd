"""Reading fields out of JSON that somebody else may have written."""

import json
from collections.abc import Mapping
from typing import TypeVar

from cloudkon.errors import MalformedMessage

T = TypeVar("T")


def read_object(body: str, what: str, version: int) -> Mapping[str, object]:
    """Parse a versioned JSON object, or raise ``MalformedMessage``; ``what`` names it in the error."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedMessage(f"{what} is a JSON {type(value).__name__}, not an object")
    if value.get("v") != version or isinstance(value.get("v"), bool):
        raise MalformedMessage(f"{what} has version {value.get('v')!r}; this worker reads version {version}")
    return value


def field(value: Mapping[str, object], name: str, kind: type[T]) -> T:
    """One field of exactly that type (a bool is no int), or raise ``MalformedMessage``."""
    found = value.get(name)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise MalformedMessage(f"field {name!r} is {found!r:.60}, not {kind.__name__}")
    return found


def number(value: Mapping[str, object], name: str, least: int = 0) -> int:
    """A whole number of at least ``least``, or raise ``MalformedMessage``."""
    found = field(value, name, int)
    if found < least:
        raise MalformedMessage(f"field {name!r} is {found}, less than {least}")
    return found
