"""Parses the three forms of PartiQL statements that the ledger uses, and no others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from benchmarks.stub.errors import ServiceError

Value = dict[str, Any]
"""An attribute in DynamoDB's protocol, such as ``{"N": "7"}``."""
_INSERT: Final = re.compile(r"""INSERT INTO "([^"]+)" VALUE \{(.+)\}""")
_UPDATE: Final = re.compile(r"""UPDATE "([^"]+)" ((?:SET "[^"]+" = \? )+)WHERE (.+)""")
_SELECT: Final = re.compile(r"""SELECT \* FROM "([^"]+)" WHERE (.+)""")
_FIELD: Final = re.compile(r"'([^']+)': \?")
_SET: Final = re.compile(r'SET "([^"]+)" = \? ')
_CONDITION: Final = re.compile(r'"([^"]+)" (=|<=) \?')


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement: its kind, its table, the attributes that it sets, and its conditions, in order."""

    kind: str
    table: str
    values: tuple[str, ...]
    conditions: tuple[tuple[str, str], ...]

    def bind(self, parameters: Sequence[Value]) -> tuple[dict[str, Value], list[tuple[str, str, Value]]]:
        """Return the values and the conditions with their parameters."""
        if len(parameters) != len(self.values) + len(self.conditions):
            raise ServiceError("ValidationException", "Number of parameters in request and statement don't match.")
        rest = parameters[len(self.values) :]
        conditions = [(name, sign, value) for (name, sign), value in zip(self.conditions, rest, strict=True)]
        return dict(zip(self.values, parameters, strict=False)), conditions


@lru_cache(maxsize=64)
def parse(text: str) -> Statement:
    """Parse a statement; the few texts that exist are cached."""
    if found := _INSERT.fullmatch(text):
        return Statement("INSERT", found[1], _all(_FIELD, found[2], ", "), ())
    if found := _UPDATE.fullmatch(text):
        return Statement("UPDATE", found[1], _all(_SET, found[2], ""), _conditions(found[3]))
    if found := _SELECT.fullmatch(text):
        return Statement("SELECT", found[1], (), _conditions(found[2]))
    raise ServiceError("ValidationException", f"Statement wasn't well formed, can't be processed: {text}")


def holds(held: Value | None, sign: str, wanted: Value) -> bool:
    """Whether a condition holds for an attribute; ``None``, a missing attribute, meets none."""
    if held is None or held.keys() != wanted.keys():
        return False
    if "N" in held:
        return int(held["N"]) <= int(wanted["N"]) if sign == "<=" else int(held["N"]) == int(wanted["N"])
    return sign == "=" and held == wanted


def _all(pattern: re.Pattern[str], text: str, between: str) -> tuple[str, ...]:
    parts = list(pattern.finditer(text))
    if between.join(part[0] for part in parts) != text:
        raise ServiceError("ValidationException", f"Statement wasn't well formed, can't be processed: {text}")
    return tuple(part[1] for part in parts)


def _conditions(text: str) -> tuple[tuple[str, str], ...]:
    parts = list(_CONDITION.finditer(text))
    if " AND ".join(part[0] for part in parts) != text:
        raise ServiceError("ValidationException", f"Statement wasn't well formed, can't be processed: {text}")
    return tuple((part[1], part[2]) for part in parts)
