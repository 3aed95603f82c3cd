"""Payloads: what large chunks left in the store, fetched before they are claimed."""

import tempfile
from pathlib import Path

import trio

from cloudkon.errors import MalformedMessage, ObjectMissing
from cloudkon.model import Chunk, PayloadRef
from cloudkon.ports import Store
from cloudkon.wire.payload import decode_payload


class Payloads:
    """Reads them by way of files under ``scratch``."""

    def __init__(self, store: Store, scratch: Path) -> None:
        """Nothing is asked yet."""
        self._store = store
        self._scratch = scratch

    async def fetch(self, parcel: PayloadRef) -> Chunk:
        """The chunk of a parcel.

        Raises ``MalformedMessage`` where it is gone or is another one, and what the store raises.
        """
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="payload-") as folder:
            path = Path(folder, "payload")
            address = self._store.address(parcel.object_key)
            try:
                found = await self._store.head(address)
                if found.size != parcel.size:
                    raise MalformedMessage(f"{address} has {found.size:,} bytes and not {parcel.size:,}")
                await self._store.get(address, path)
            except ObjectMissing as error:
                raise MalformedMessage(f"the chunk's payload is gone: {error}") from error
            return decode_payload(parcel, await trio.Path(path).read_bytes())
