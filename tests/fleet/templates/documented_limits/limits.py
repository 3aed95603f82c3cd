"""Reads ``limits.json``, and holds the fields of requests against the rules in it."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.fleet.templates.documented_limits.fields import Field, fields_of
from tests.fleet.templates.documented_limits.requests import Request, requests_of
from tests.fleet.templates.documented_limits.rules import Rule, broken
from tests.support.template_rendering import Resources

STORED: Final = Path(__file__).with_name("limits.json")


class Limit(NamedTuple):
    """One sentence about a field, and the rule that it states."""

    sentence: str
    rule: Rule


@cache
def limits() -> Mapping[str, tuple[Limit, ...]]:
    """Return the limits by field."""
    stored: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return {
        name: tuple(Limit(one["sentence"], one["rule"]) for one in found if "rule" in one)
        for name, found in stored["fields"].items()
    }


def violations(resources: Resources) -> Iterator[str]:
    """Yield each field of a rendering that breaks a limit, with AWS's sentence, and each field nobody has extracted."""
    for request in requests_of(resources):
        for field in _fields(request):
            if field.name not in limits():
                yield f"{request.resource}: {field.name} is not in {STORED.name}: extract it"
            yield from _broken(request, field)


def request_violations(service: str, operation: str, members: Mapping[str, Any]) -> list[str]:
    """Return the limits that one call breaks."""
    request = Request(operation, service, operation, members)
    return [one for field in _fields(request) for one in _broken(request, field)]


def _fields(request: Request) -> Iterator[Field]:
    return fields_of(request.service, request.operation, request.members)


def _broken(request: Request, field: Field) -> Iterator[str]:
    # A value that only a created resource has is unknown here.
    if str(field.value).startswith("<"):
        return
    for limit in limits().get(field.name, ()):
        if what := [*broken(limit.rule, field.value)]:
            yield (
                f"{request.resource}: {field.name} is {str(field.value)!r:.120}, "
                f"and AWS says ({', '.join(what)}): {limit.sentence}"
            )
