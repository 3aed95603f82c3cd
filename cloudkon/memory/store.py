"""A store in memory, for tests and the local back end."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import trio

from cloudkon.errors import ObjectMissing
from cloudkon.ports.store import StoredObject, check_facts

_PREFIX = "s3://memory/"


class MemoryStore:
    """Objects as bytes, under ``s3://memory/``."""

    def __init__(self) -> None:
        """Make it empty."""
        self._objects: dict[str, bytes] = {}
        self._facts: dict[str, dict[str, str]] = {}

    def address(self, key: str) -> str:
        """The address of a key."""
        return _PREFIX + key

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:  # noqa: ARG002  (the port's)
        """Store a file or bytes. The media type is dropped: the port gives nobody a way to read it."""
        check_facts(facts)
        content = source if isinstance(source, bytes) else await trio.Path(source).read_bytes()
        await trio.lowlevel.checkpoint()
        address = self.address(key)
        self._objects[address] = content
        self._facts[address] = {name.lower(): text for name, text in facts.items()}
        return self._describe(address)

    async def get(self, address: str, destination: Path) -> StoredObject:
        """Write the object at the address to a file, whole or not at all."""
        described = await self.head(address)
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
        """What is known of the object, without reading it."""
        await trio.lowlevel.checkpoint()
        if address not in self._objects:
            raise ObjectMissing(f"{address}: no object is stored there")
        return self._describe(address)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """All objects whose key begins with ``prefix``, in the order of their keys."""
        await trio.lowlevel.checkpoint()
        for address in sorted(self._objects):
            if address.startswith(_PREFIX + prefix):
                yield self._describe(address)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects."""
        await trio.lowlevel.checkpoint()
        for address in map(self.address, keys):
            self._objects.pop(address, None)
            self._facts.pop(address, None)

    def _describe(self, address: str) -> StoredObject:
        content = self._objects[address]
        tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return StoredObject(address, len(content), tag, self._facts[address])
