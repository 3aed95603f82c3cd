"""Reads fields of JSON objects that other programs may have written.

Every number is read by ``number`` or ``moment``, which have bounds, so that whatever is read can be computed with,
written to the ledger and shown.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeVar

import orjson

from cloudkon.errors import MalformedMessage, NewerVersion

T = TypeVar("T")
LARGEST_NUMBER: Final = 2**53 - 1
"""The largest number of a task or chunk: the largest whole number that JSON writers of all languages keep exactly.
Greater numbers are free for later kinds of items in the ledger."""
MOST_ATTEMPTS: Final = 1_000_000_000
"""The largest count of claims of a chunk, and of attempts and losses of a task."""
LATEST: Final = 253_402_300_799
"""The end of the year 9999 in epoch seconds, the latest time that Python can show; also the longest duration."""
RUN_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""The form of a run's id, which becomes part of keys, file names and addresses."""
_NAMES: Final[Mapping[type, str]] = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a string",
}
"""How errors name the types of JSON."""


def read_object(body: str, what: str, *versions: int, unique: bool = True) -> Mapping[str, object]:
    """Parse a JSON object whose field ``v`` is one of ``versions``; ``what`` names the object in errors.

    Raises ``NewerVersion`` if ``v`` is a whole number above all of them, ``MalformedMessage`` for anything else, and
    for an object that has the same field twice, unless ``unique`` is false because only workers write such objects.
    """
    try:
        value = orjson.loads(body)
    except ValueError as error:
        raise MalformedMessage(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedMessage(f"{what} is {_NAMES.get(type(value), 'null')}, not an object")
    _check_version(value, what, versions)
    if unique:
        _check_unique(body, value, what)
    return value


def _check_version(value: Mapping[str, object], what: str, versions: tuple[int, ...]) -> None:
    found = value.get("v")
    # JSON's true and 1.0 are equal to 1 in Python.
    if type(found) is int and found in versions:
        return
    known = " and ".join(map(str, versions))
    readable = f"this program reads version{'s' if len(versions) > 1 else ''} {known}"
    if "v" not in value:
        raise MalformedMessage(f"{what} has no version 'v'; {readable}")
    if type(found) is not int:
        raise MalformedMessage(f"{what} has version {shown(found)}, not a whole number; {readable}")
    unreadable = NewerVersion if found > max(versions) else MalformedMessage
    raise unreadable(f"{what} has version {found}; {readable}")


def _check_unique(body: str, value: Mapping[str, object], what: str) -> None:
    """Raise ``MalformedMessage`` if an object in the body has the same field twice, of which ``value`` has the last."""
    with suppress(orjson.JSONEncodeError):
        # Most bodies are as orjson writes them. Then they have no field twice, because orjson has written each once.
        if orjson.dumps(value) == body.encode():
            return

    def check(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedMessage(f"{what} has field {name!r:.60} twice")
            seen.add(name)

    try:
        json.loads(body, object_pairs_hook=check)
    except (RecursionError, ValueError) as error:
        raise MalformedMessage(f"{what} is not JSON: {error}") from error


def field(value: Mapping[str, object], name: str, kind: type[T]) -> T:
    """Return a field of exactly that type (a bool is not an int), or raise ``MalformedMessage``."""
    found = value.get(name)
    if isinstance(found, kind) and (kind is bool or not isinstance(found, bool)):
        return found
    if name not in value:
        raise MalformedMessage(f"field {name!r:.60} is missing")
    raise MalformedMessage(f"field {name!r:.60} is {shown(found)}, not {_NAMES[kind]}")


def number(value: Mapping[str, object], name: str, least: int, most: int) -> int:
    """Return a field that is a whole number from ``least`` to ``most``, or raise ``MalformedMessage``."""
    found = field(value, name, int)
    if not least <= found <= most:
        raise MalformedMessage(f"field {name!r:.60} is {found}, not {least} to {most:,}")
    return found


def moment(value: Mapping[str, object], name: str) -> float:
    """Return a field that is a time or a duration in seconds, or raise ``MalformedMessage``."""
    found = value.get(name)
    seconds = found if type(found) is int else field(value, name, float)
    # NaN is not in any range.
    if not 0 <= seconds <= LATEST:
        raise MalformedMessage(f"field {name!r:.60} is {seconds}, not 0 to {LATEST:,}")
    return float(seconds)


def run_id_in(value: Mapping[str, object], name: str = "run") -> str:
    """Return a field that is a run's id, or raise ``MalformedMessage``."""
    found = field(value, name, str)
    if not RUN_ID.fullmatch(found):
        raise MalformedMessage(f"field {name!r} is {found!r:.60}, not a run's id")
    return found


def shown(value: object) -> str:
    """Return a JSON value as errors show it. A list may be nested so deeply that Python can't show it."""
    if isinstance(value, (list, dict)):
        return _NAMES[type(value)]
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value!r:.60}"
