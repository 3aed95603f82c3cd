"""Parcel: a chunk too large for a message. Its instructions lie in the store, and the message says where."""

from dataclasses import dataclass

from cloudkon.model.chunk import ChunkKey


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """What a message says of a chunk of ``count`` tasks from number ``first`` on, whose payload is an object.

    ``object_key`` is the object's in the store, ``size`` its bytes, ``digest`` their SHA-256 in hexadecimal.
    """

    key: ChunkKey
    first: int
    count: int
    object_key: str
    size: int
    digest: str

    def __len__(self) -> int:
        """How many tasks it holds."""
        return self.count
