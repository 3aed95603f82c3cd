"""Store: where outputs live that are too large for a result."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

DELETE_LIMIT = 1000
"""Objects that S3 deletes in one call (S3 API reference, ``DeleteObjects``)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: its ``s3://BUCKET/KEY`` address, its size in bytes and its entity tag."""

    address: str
    size: int
    etag: str
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What was said of it when it was stored, its names in small letters; nothing where it is one of a list."""


class Store(Protocol):
    """One bucket. Calls raise ``ObjectMissing``, ``Unavailable``, ``AccessDenied`` or ``NoFleet``."""

    def address(self, key: str) -> str:
        """The ``s3://BUCKET/KEY`` of a key."""
        ...

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        """Store a file or bytes, with facts about it as metadata (ASCII)."""
        ...

    async def get(self, address: str, destination: Path) -> StoredObject:
        """Write the object at the address to a file, whole or not at all."""
        ...

    async def head(self, address: str) -> StoredObject:
        """What is known of the object, without reading it."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """All objects whose key begins with ``prefix``."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects of up to ``DELETE_LIMIT`` keys; those that are not there are none to delete."""
        ...


def check_facts(facts: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for facts that can't be metadata: they travel in HTTP headers."""
    for name, text in facts.items():
        if not (name and f"{name}{text}".isascii() and f"{name}{text}".isprintable()):
            raise ValueError(f"fact {name!r} is {text!r}: an object's metadata takes printable ASCII only")
