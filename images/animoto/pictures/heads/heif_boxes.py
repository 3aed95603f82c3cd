"""Walks through the boxes of a HEIC or AVIF (ISO/IEC 14496-12, 4.2), without a copy of what is in them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..missing import Unusable
from .allowance import Allowance, Data

MOST_ENTRIES = 65_536
"""Boxes, the entries of their lists, and units of AV1. Phones write some 500."""


Extent = tuple[int, int]
"""Where bytes begin and end in the file."""


class Box(NamedTuple):
    """A box's kind, and where its content is in the file."""

    kind: bytes
    begin: int
    end: int


class Boxes:
    """A file's boxes, which are counted while they are read."""

    def __init__(self, data: Data) -> None:
        """Take the file."""
        self._data = data
        self.entries = Allowance(MOST_ENTRIES, "boxes, items, references, properties, extents and units")

    def within(self, begin: int, end: int) -> Iterator[Box]:
        """Yield the boxes in a part of the file, or raise ``Unusable`` for a damaged or one too many."""
        at = begin
        while at + 8 <= end:
            self.entries.spend()
            size, kind, content = self.number(at, 4, end), self.bytes(at + 4, 4, end), at + 8
            if size == 1:
                size, content = self.number(at + 8, 8, end), at + 16
            elif size == 0:
                size = end - at
            if size < content - at:
                raise damaged("a box is shorter than its head")
            yield Box(kind, content, min(at + size, end))
            at += size

    def number(self, at: int, size: int, end: int) -> int:
        """Return the number of ``size`` bytes at a place of a box that ends at ``end``."""
        return int.from_bytes(self.bytes(at, size, end), "big")

    def bytes(self, at: int, size: int, end: int) -> bytes:
        """Return the bytes at a place of a box that ends at ``end``."""
        if at + size > end:
            raise damaged("a box ends too early")
        return bytes(self._data[at : at + size])

    def joined(self, extents: Sequence[Extent]) -> tuple[Data, int, int]:
        """Return bytes that are in several places: where they are together, and where they begin and end there."""
        if len(extents) == 1:
            ((begin, end),) = extents
            return self._data, begin, min(end, len(self._data))
        data = b"".join(self._data[begin:end] for begin, end in extents)
        return data, 0, len(data)

    def version(self, box: Box) -> int:
        """Return the version of a box that has one, before three bytes of flags."""
        return self.number(box.begin, 1, box.end)


def damaged(reason: str) -> Unusable:
    """Return the error for a file whose boxes can't be read."""
    return Unusable(f"it is a damaged HEIC or AVIF ({reason})")
