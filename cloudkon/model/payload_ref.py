"""Defines a payload reference: what the message of a large chunk carries instead of its instructions."""

from dataclasses import dataclass

from cloudkon.model.chunk import ChunkKey


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """A chunk that is too large for a message, and the object in the store that holds its instructions."""

    key: ChunkKey
    first: int
    """The number of its first task in the run, from 0."""
    count: int
    """How many tasks it has."""
    object_key: str
    """The object's key in the store."""
    size: int
    """The object's size in bytes."""
    digest: str
    """The object's SHA-256, in hexadecimal."""

    def __len__(self) -> int:
        """The number of tasks."""
        return self.count
