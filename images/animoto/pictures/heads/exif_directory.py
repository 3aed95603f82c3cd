"""Counts the entries of EXIF data, which libvips has read by libexif (Exif 3.0, 4.5 and 4.6; TIFF 6.0).

libexif reads a directory as often as entries point to it: 65,535 entries that point to their own directory are four
thousand million to it.
"""

import struct
from typing import Final, Literal

from .allowance import LARGEST_FILE, Allowance, Data
from .value_sizes import VALUE_SIZES

HEADER: Final = b"Exif\0\0"
"""Stands before the data in some formats. libexif also looks for it behind other bytes."""
MOST_ENTRIES: Final = 20_000
"""Cameras write some hundred. These take 0.1 s."""
_POINTERS: Final = frozenset({0x8769, 0x8825, 0xA005})
"""Tags of entries that point to a directory: Exif, GPS, Interoperability."""
_ORDERS: Final[dict[bytes, Literal["little", "big"]]] = {b"II": "little", b"MM": "big"}
_DEEPEST: Final = 32
"""Directories in one another. libexif stops sooner, unless each has a single entry."""


class ExifEntries:
    """Counts the entries of all EXIF data of one file, and the bytes of their values, each as often as it is read."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._entries = Allowance(MOST_ENTRIES, "entries of EXIF data")
        self._values = Allowance(LARGEST_FILE, "bytes of EXIF values, which share them")

    def count(self, data: Data, begin: int, end: int) -> None:
        """Count the EXIF data between ``begin`` and ``end``, or raise ``Unusable`` for too many entries."""
        starts = [begin]
        at = data.find(HEADER, begin, end)
        while at >= 0:
            self._entries.spend()
            starts.append(at + len(HEADER))
            at = data.find(HEADER, at + 1, end)
        for start in starts:
            if order := _ORDERS.get(bytes(data[start : min(start + 2, end)])):
                _Directories(data, start, min(end, len(data)), order, self._entries, self._values).count()


class _Directories:
    """The directories of one block of EXIF data; the places that it names count from its beginning."""

    def __init__(
        self, data: Data, begin: int, end: int, order: Literal["little", "big"], entries: Allowance, values: Allowance
    ) -> None:
        self._data, self._begin, self._end = data, begin, end
        self._entries, self._values = entries, values
        self._order = order
        self._entry = struct.Struct(("<" if order == "little" else ">") + "HHII")

    def count(self) -> None:
        # Behind its entries, the main directory points to that of the thumbnail.
        at = self._count(self._number(4, 4), 0)
        self._count(self._number(at, 4), 0)

    def _count(self, at: int, depth: int) -> int:
        """Count a directory and those that it points to; return where its entries end."""
        number = min(self._number(at, 2), (self._end - self._begin - at - 2) // self._entry.size)
        if number < 0 or depth > _DEEPEST:
            return at
        self._entries.spend(1 + number)
        at += 2
        end = at + number * self._entry.size
        for tag, kind, components, value in self._entry.iter_unpack(self._data[self._begin + at : self._begin + end]):
            size = components * VALUE_SIZES.get(kind, 0)
            if 4 < size <= self._end - self._begin:  # noqa: PLR2004  (a smaller value is in the entry itself)
                self._values.spend(size)
            if tag in _POINTERS:
                self._count(value, depth + 1)
        return end

    def _number(self, at: int, size: int) -> int:
        """Return a number; what is missing of it, beyond the end, is 0."""
        at += self._begin
        return int.from_bytes(self._data[at : min(at + size, self._end)], self._order)
