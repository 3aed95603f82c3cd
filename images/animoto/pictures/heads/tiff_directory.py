"""Reads the first directory of a TIFF (TIFF 6.0, section 2; BigTIFF), which holds what decoders allocate by."""

from mmap import mmap
from typing import Literal, NamedTuple

from ..missing import Unusable

MOST_SAMPLES = 16
"""Samples a pixel: CMYK has 4, and selections or depth maps may follow. With 4,000, a file of 82 KB takes 5 GB."""
MOST_BITS = 32
"""Bits of a sample."""
_MOST_ENTRIES = 4096
"""Entries of a directory; usual ones have 20."""
_BITS, _SAMPLES, _PLANAR = 258, 277, 284
_SEPARATE = 2
"""Planar configuration in which each sample has strips of its own, all of which a decoder holds."""
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
"""Bytes of a number by its type: BYTE, SHORT, LONG and BigTIFF's LONG8."""


class _Layout(NamedTuple):
    """Where numbers are, in TIFF or BigTIFF."""

    order: Literal["little", "big"]
    count_size: int
    """Bytes of a directory's count of entries."""
    offset_size: int
    """Bytes of an offset, and of a count of values."""

    @property
    def entry(self) -> int:
        return 4 + 2 * self.offset_size


def read_planar(data: mmap) -> bool:
    """Return whether a TIFF keeps its samples apart. Raise ``Unusable`` for too many or too large samples."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    big = int.from_bytes(data[2:4], order) == 43  # noqa: PLR2004  (the version of BigTIFF)
    layout = _Layout(order, 8, 8) if big else _Layout(order, 2, 4)
    first = _number(data, 8 if big else 4, layout.offset_size, order)
    entries = _number(data, first, layout.count_size, order)
    if entries > _MOST_ENTRIES:
        raise Unusable(f"it is a TIFF whose directory has {entries:,} entries; the most is {_MOST_ENTRIES:,}")
    planar = False
    for number in range(entries):
        planar |= _is_separate(data, first + layout.count_size + number * layout.entry, layout)
    return planar


def _is_separate(data: mmap, at: int, layout: _Layout) -> bool:
    """Check one entry; return whether it says that the samples are apart."""
    tag = _number(data, at, 2, layout.order)
    if tag not in (_BITS, _SAMPLES, _PLANAR):
        return False
    values = _values(data, at, layout)
    if tag == _SAMPLES and max(values) > MOST_SAMPLES:
        raise Unusable(f"it is a TIFF of {max(values):,} samples a pixel; the most is {MOST_SAMPLES}")
    if tag == _BITS and max(values) > MOST_BITS:
        raise Unusable(f"it is a TIFF of {max(values):,} bits a sample; the most is {MOST_BITS}")
    return tag == _PLANAR and max(values) == _SEPARATE


def _values(data: mmap, at: int, layout: _Layout) -> list[int]:
    """Return the numbers of an entry, of which there are as many as samples a pixel."""
    size = _SIZES.get(_number(data, at + 2, 2, layout.order), 0)
    count = _number(data, at + 4, layout.offset_size, layout.order)
    if not size or not 1 <= count <= MOST_SAMPLES:
        reason = (
            f"{count:,} samples a pixel; the most is {MOST_SAMPLES}" if count > MOST_SAMPLES else "unreadable samples"
        )
        raise Unusable(f"it is a TIFF of {reason}")
    place = at + 4 + layout.offset_size
    if size * count > layout.offset_size:
        place = _number(data, place, layout.offset_size, layout.order)
    return [_number(data, place + size * one, size, layout.order) for one in range(count)]


def _number(data: mmap, at: int, size: int, order: Literal["little", "big"]) -> int:
    found = data[at : at + size]
    if len(found) < size:
        raise Unusable("it is a damaged TIFF (its directory is not in the file)")
    return int.from_bytes(found, order)
