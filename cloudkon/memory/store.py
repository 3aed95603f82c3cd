"""Implements the store in memory."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import trio

from cloudkon.errors import ObjectMissing
from cloudkon.ports.store import StoredObject, check_facts, check_limit

_PREFIX = "s3://memory/"


class MemoryStore:
    """Holds objects as bytes, at addresses that begin with ``s3://memory/``."""

    def __init__(self) -> None:
        """Make an empty store."""
        self._objects: dict[str, bytes] = {}
        self._facts: dict[str, dict[str, str]] = {}

    def address(self, key: str) -> str:
        """Return the address of a key."""
        return _PREFIX + key

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:  # noqa: ARG002  (part of the port)
        """Store a file or bytes. The media type is dropped, because the port has no way to read it."""
        check_facts(facts)
        content = source if isinstance(source, bytes) else await trio.Path(source).read_bytes()
        await trio.lowlevel.checkpoint()
        address = self.address(key)
        self._objects[address] = content
        self._facts[address] = {name.lower(): text for name, text in facts.items()}
        return self._describe(address)

    async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
        """Write the object at the address to a file, completely or not at all."""
        described = await self.head(address)
        check_limit(address, described.size, limit)
        staged = trio.Path(destination.with_name(f".{destination.name}.part"))
        try:
            await staged.write_bytes(self._objects[address])
            await staged.replace(destination)
        except BaseException:
            with trio.CancelScope(shield=True):
                await staged.unlink(missing_ok=True)
            raise
        return described

    async def head(self, address: str) -> StoredObject:
        """Describe the object without reading its content."""
        await trio.lowlevel.checkpoint()
        if address not in self._objects:
            raise ObjectMissing(f"{address}: no object is stored there")
        return self._describe(address)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Iterate over all objects whose key begins with ``prefix``, in the order of their keys."""
        await trio.lowlevel.checkpoint()
        for address in sorted(self._objects):
            if address.startswith(_PREFIX + prefix):
                yield self._describe(address)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects with these keys. Missing objects are ignored."""
        await trio.lowlevel.checkpoint()
        for address in map(self.address, keys):
            self._objects.pop(address, None)
            self._facts.pop(address, None)

    def _describe(self, address: str) -> StoredObject:
        content = self._objects[address]
        tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return StoredObject(address, len(content), tag, self._facts[address])
