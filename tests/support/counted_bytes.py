"""Counts how often, and how much, a reader reads from a file in memory."""

from typing import SupportsIndex, overload


class CountedBytes(bytes):
    """A file's bytes. Tests assert operations with it, where a time would depend on the machine."""

    reads = 0
    """Bytes or slices that were asked for."""
    copied = 0
    """Bytes of those slices."""

    @overload
    def __getitem__(self, at: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> bytes: ...

    def __getitem__(self, at: SupportsIndex | slice) -> int | bytes:
        """Count, and return what bytes do."""
        self.reads += 1
        if not isinstance(at, slice):
            return super().__getitem__(at)
        piece = super().__getitem__(at)
        self.copied += len(piece)
        return piece
