"""Checks values against limits in AWS's models that botocore's own validation leaves to the service."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

UNCHECKED_ENUMS: Final = ("InstanceType",)
"""Enumerations that the user chooses from. AWS knows new values before the model does, and its own error is wanted."""


def violations(value: Any, shape: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401  (any value; botocore's shape, or none)
    """Yield what is wrong with a value of that shape, with its path."""
    if shape is None:
        return
    kind = shape.type_name
    if kind == "structure":
        for name, one in value.items():
            yield from violations(one, shape.members[name], f"{path}.{name}")
    elif kind == "list":
        yield from _too_many(len(value), shape, path)
        for one in value:
            yield from violations(one, shape.member, f"{path}[]")
    elif kind == "map":
        for key, one in value.items():
            yield from violations(key, shape.key, f"{path} key")
            yield from violations(one, shape.value, f"{path}.{key}")
    elif kind == "string":
        yield from _text(str(value), shape, path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _too_many(value, shape, path)


def _text(value: str, shape: Any, path: str) -> Iterator[str]:  # noqa: ANN401  (botocore's shape)
    yield from _too_many(len(value), shape, path)
    if shape.enum and shape.name not in UNCHECKED_ENUMS and value not in shape.enum:
        yield f"{path} is {value!r}, not one of {', '.join(shape.enum)}"
    pattern = _compiled(shape.metadata.get("pattern", ""))
    if pattern and not pattern.fullmatch(value):
        yield f"{path} is {value!r}, which does not match {pattern.pattern}"


def _too_many(size: float, shape: Any, path: str) -> Iterator[str]:  # noqa: ANN401  (botocore's shape)
    if size > shape.metadata.get("max", size):
        yield f"{path} has {size}, of at most {shape.metadata['max']}"


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Compile a pattern; ``None`` if it uses Java classes that Python lacks."""
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
