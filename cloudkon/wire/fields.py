"""Reads fields of JSON objects that other programs may have written."""

from collections.abc import Mapping
from typing import TypeVar

import orjson

from cloudkon.errors import MalformedMessage, NewerVersion

T = TypeVar("T")


def read_object(body: str, what: str, *versions: int) -> Mapping[str, object]:
    """Parse a JSON object whose field ``v`` is one of ``versions``; ``what`` names the object in errors.

    Raises ``NewerVersion`` if ``v`` is a whole number above all of them, ``MalformedMessage`` for anything else.
    """
    try:
        value = orjson.loads(body)
    except ValueError as error:
        raise MalformedMessage(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedMessage(f"{what} is a JSON {type(value).__name__}, not an object")
    found = value.get("v")
    if found not in versions or isinstance(found, bool):
        newest = max(versions)
        unreadable = NewerVersion if type(found) is int and found > newest else MalformedMessage
        raise unreadable(f"{what} has version {found!r:.20}; this worker reads version {newest}")
    return value


def field(value: Mapping[str, object], name: str, kind: type[T]) -> T:
    """Return a field of exactly that type (a bool is not an int), or raise ``MalformedMessage``."""
    found = value.get(name)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise MalformedMessage(f"field {name!r} is {found!r:.60}, not {kind.__name__}")
    return found


def number(value: Mapping[str, object], name: str, least: int = 0) -> int:
    """Return a field that is a whole number of at least ``least``, or raise ``MalformedMessage``."""
    found = field(value, name, int)
    if found < least:
        raise MalformedMessage(f"field {name!r} is {found}, less than {least}")
    return found
