"""Fetches the payloads that large chunks left in the object store, before these chunks are claimed."""

import tempfile
from pathlib import Path

import trio

from cloudkon.errors import MalformedMessage, ObjectMissing, ObjectTooLarge
from cloudkon.model import Chunk, PayloadRef
from cloudkon.ports import Store
from cloudkon.wire.payload import decode_payload


class Payloads:
    """Reads payloads through files in a directory."""

    def __init__(self, store: Store, scratch: Path) -> None:
        """``scratch`` is the directory for the files."""
        self._store = store
        self._scratch = scratch

    async def fetch(self, reference: PayloadRef) -> Chunk:
        """Return the chunk to which a message refers.

        Raises ``MalformedMessage`` if the object is gone or is not the one that was pushed, and what the store raises.
        """
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="payload-") as folder:
            path = Path(folder, "payload")
            address = self._store.address(reference.object_key)
            try:
                # One request: the object that HEAD describes could be replaced before GET.
                stored = await self._store.get(address, path, reference.size)
            except ObjectMissing as error:
                raise MalformedMessage(f"the chunk's payload is gone: {error}") from error
            except ObjectTooLarge as error:
                raise MalformedMessage(f"the chunk's payload was replaced: {error}") from error
            if stored.size != reference.size:
                raise MalformedMessage(f"{address} has {stored.size:,} bytes and not {reference.size:,}")
            return decode_payload(reference, await trio.Path(path).read_bytes())
