"""Declares the store: objects such as videos, large outputs and payloads."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cloudkon.errors import ObjectTooLarge

DELETE_LIMIT = 1000
"""Objects that S3 deletes in one call at most (S3 API reference, ``DeleteObjects``)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: its ``s3://BUCKET/KEY`` address, its size in bytes and its entity tag (without quotes)."""

    address: str
    size: int
    etag: str
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Its metadata, with names in lower case; empty in listings."""


class Store(Protocol):
    """One bucket. Calls raise ``ObjectMissing``, ``Unavailable``, ``AccessDenied`` or ``NoFleet``."""

    def address(self, key: str) -> str:
        """Return the address ``s3://BUCKET/KEY`` of a key."""
        ...

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        """Store a file or bytes, with ``facts`` as metadata. Raises ``ValueError`` for facts that are not ASCII."""
        ...

    async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
        """Write the object at the address to a file, completely or not at all.

        Raises ``ObjectTooLarge`` if the object has more than ``limit`` bytes.
        """
        ...

    async def head(self, address: str) -> StoredObject:
        """Describe the object without reading its content."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Iterate over all objects whose key begins with ``prefix``, in the order of their keys."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects with these keys, up to ``DELETE_LIMIT``. Missing objects are ignored."""
        ...


def check_limit(address: str, size: int, limit: int | None) -> None:
    """Raise ``ObjectTooLarge`` if an object is larger than its reader allows."""
    if limit is not None and size > limit:
        raise ObjectTooLarge(f"{address}: the object has {size:,} bytes, and at most {limit:,} can be right")


def check_facts(facts: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for facts that can't be metadata, which is sent in HTTP headers."""
    for name, text in facts.items():
        if not (name and f"{name}{text}".isascii() and f"{name}{text}".isprintable()):
            raise ValueError(f"fact {name!r} is {text!r}: an object's metadata must be printable ASCII")
