"""Brings values from JSON into the form in which botocore returns them, by AWS's own model."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from cloudkon.aws.recording.sanitiser import SENTENCES
from tests.fleet.double.clients import client

SOME_TIME: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Stands for a time that a project's record left out."""
PAGES: Final = ("nexttoken", "paginationtoken", "continuationtoken", "nextcontinuationtoken", "nextforwardtoken")
"""Members by which a paginator would ask for more, in small letters."""


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return AWS's model of an operation. Raises ``OperationNotFoundError`` if AWS has none of that name."""
    found: OperationModel = client(service).meta.service_model.operation_model(operation)
    return found


def from_json(value: Any, shape: Shape | None) -> Any:  # noqa: ANN401  (JSON)
    """Return a value as botocore parses it. What the model lacks, or has with another type, is left out (``None``)."""
    if shape is None or value is None:
        return None
    if isinstance(shape, StructureShape):
        return _structure(value, shape) if isinstance(value, dict) else None
    if isinstance(shape, ListShape):
        return (
            [one for each in value if (one := from_json(each, shape.member)) is not None] if _is_list(value) else None
        )
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            return None
        found = {str(key): from_json(one, shape.value) for key, one in value.items()}
        return {key: one for key, one in found.items() if one is not None}
    return _scalar(value, shape.type_name)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _structure(value: dict[str, Any], shape: StructureShape) -> dict[str, Any]:
    found = {key: from_json(one, shape.members[key]) for key, one in value.items() if key in shape.members}
    return {key: one for key, one in found.items() if one is not None}


def _scalar(value: Any, kind: str) -> Any:  # noqa: ANN401  (JSON)
    try:
        return _SCALARS[kind](value)
    except (KeyError, TypeError, ValueError):
        return None


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return SOME_TIME
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _whole(value: object) -> int:
    # A snapshot of a number that differs from run to run is a placeholder in text.
    return value if isinstance(value, int) and not isinstance(value, bool) else 1


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 1.0


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        raise TypeError
    return str(value)


_SCALARS: Final[dict[str, Callable[[Any], object]]] = {
    "string": _text,
    "character": _text,
    "timestamp": _time,
    "integer": _whole,
    "long": _whole,
    "short": _whole,
    "bigdecimal": _number,
    "biginteger": _whole,
    "float": _number,
    "double": _number,
    "boolean": _truth,
    "blob": lambda value: value if isinstance(value, bytes) else str(value).encode(),
}


def without_pages(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that no paginator follows: the next page is not there to be given."""
    return {key: value for key, value in answer.items() if key.lower() not in PAGES}


def signature_of(value: Any, shape: Shape | None, member: str = "") -> Any:  # noqa: ANN401, PLR0911  (a parsed answer)
    """Return what makes a value differ for a reader: its members, their types, enumerations, the forms of sentences."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {key: signature_of(one, shape.members[key], key) for key, one in value.items()}
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return sorted(value)
    if isinstance(shape, ListShape) and isinstance(value, list):
        return sorted({json.dumps(signature_of(one, shape.member, member), sort_keys=True) for one in value})
    if isinstance(value, bool) or shape is None:
        return value
    if shape.type_name != "string":
        return shape.type_name
    if value in shape.metadata.get("enum", ()) or member.lower().endswith("status"):
        return value
    if member.lower().endswith(SENTENCES):
        return re.sub(r"[^a-z ]+", "", str(value).lower())[:60]
    return bool(value)
