"""Finds the fields that a request sets: each member of each structure, with AWS's documentation of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session

from tests.fleet.templates.documented_limits.sentences import attribute_texts, sentences

OTHER_NAMES: Final = {
    "clustersettings": "settings",
    "placementstrategies": "placementstrategy",
    "serversideencryptionbydefault": "applyserversideencryptionbydefault",
}
"""Members that CloudFormation names otherwise than the API, in small letters."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value at a member: ``name`` is ``service.Structure.member``; ``sentences`` are AWS's words about it."""

    name: str
    value: Any
    sentences: tuple[str, ...]


def fields_of(service: str, operation: str, members: Mapping[str, Any]) -> Iterator[Field]:
    """Yield each scalar and each list that a request sets. Raises ``KeyError`` for a member that the API lacks."""
    return _structure(service, model(service).operation_model(operation).input_shape, members)


def fields_below(service: str, operation: str, member: str) -> Iterator[Field]:
    """Yield the fields that a request can set in one of its members, without values."""
    shape = model(service).operation_model(operation).input_shape
    return _below(service, f"{service}.{shape.name}.{member}", shape.members[member], frozenset())


def _below(service: str, name: str, shape: Any, above: frozenset[str]) -> Iterator[Field]:  # noqa: ANN401  (botocore's shape)
    kind = shape.type_name
    if kind == "structure":
        # DynamoDB's values hold one another.
        if shape.name not in above:
            for key, one in shape.members.items():
                yield from _below(service, f"{service}.{shape.name}.{key}", one, above | {shape.name})
        return
    yield Field(name, None, _words(shape))
    if kind in ("list", "map"):
        deeper, inner = ("[]", shape.member) if kind == "list" else (".*", shape.value)
        yield from _below(service, f"{name}{deeper}", inner, above)


@cache
def model(service: str) -> Any:  # noqa: ANN401  (botocore ships no types for its models)
    """Return AWS's model of a service's API."""
    return botocore.session.get_session().get_service_model(service)


def _structure(service: str, shape: Any, value: Mapping[str, Any]) -> Iterator[Field]:  # noqa: ANN401  (botocore's shape)
    names = {name.lower(): name for name in shape.members}
    for key, one in value.items():
        name = names[OTHER_NAMES.get(key.lower(), key.lower())]
        member = shape.members[name]
        yield from _value(service, f"{service}.{shape.name}.{name}", member, one)


def _value(service: str, name: str, shape: Any, value: Any) -> Iterator[Field]:  # noqa: ANN401  (botocore's shape; any value)
    if shape.type_name == "structure":
        yield from _structure(service, shape, value)
    elif shape.type_name == "list":
        yield Field(name, value, _words(shape))
        for one in value:
            yield from _value(service, f"{name}[]", shape.member, one)
    elif shape.type_name == "map":
        texts = attribute_texts(shape.documentation)
        for key, one in value.items():
            if key in texts:
                yield Field(f"{name}.{key}", one, tuple(texts[key]))
            else:
                yield from _value(service, f"{name}.*", shape.value, one)
    else:
        yield Field(name, value, _words(shape))


@cache
def _words(shape: Any) -> tuple[str, ...]:  # noqa: ANN401  (botocore's shape)
    return tuple(sentences(shape.documentation))
