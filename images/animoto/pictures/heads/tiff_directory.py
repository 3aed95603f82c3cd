"""Reads the directories of a TIFF (TIFF 6.0, section 2; BigTIFF), which hold what decoders allocate by."""

from typing import Literal, NamedTuple

from ..missing import Unusable
from .allowance import LARGEST_FILE, Allowance, Data
from .tiff_tiles import MOST_TILES, check_tiles
from .value_sizes import VALUE_SIZES

MOST_SAMPLES = 16
"""Samples a pixel: CMYK has 4, and selections or depth maps may follow. With 4,000, a file of 82 KB takes 5 GB."""
MOST_BITS = 32
"""Bits of a sample."""
MOST_ENTRIES = 4096
"""Entries of a directory; usual ones have 20."""
MOST_PAGES = 1024
"""Directories. libvips reads all of them to count the pages: 5,000 take 1 s, and a file of 64 MiB has 400,000."""
MOST_ENTRIES_IN_ALL = 32_768
"""Of all pages together: four times as many take 5 s."""
_BITS, _COMPRESSION, _SAMPLES, _PLANAR = 258, 259, 277, 284
_TILE_OFFSETS, _TILE_SIZES = 324, 325
_JPEG = 7
"""Compression of tiles that are JPEGs."""
_SEPARATE = 2
"""Planar configuration in which each sample has strips of its own, all of which a decoder holds."""
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
"""Bytes of a number by its type: BYTE, SHORT, LONG and BigTIFF's LONG8."""
_VALUE_SIZES = VALUE_SIZES | {16: 8, 17: 8, 18: 8}
"""With the types of BigTIFF; no decoder reads values of other types."""


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


def read_planar(data: Data) -> bool:
    """Return whether the first page of a TIFF keeps its samples apart.

    Raises ``Unusable`` for too many or too large samples, and for more pages, entries or values than one file holds.
    """
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    big = int.from_bytes(data[2:4], order) == 43  # noqa: PLR2004  (the version of BigTIFF)
    layout = _Layout(order, 8, 8) if big else _Layout(order, 2, 4)
    page = _number(data, 8 if big else 4, layout.offset_size, order)
    first = _entries(data, page, layout)
    planar = [_is_separate(data, at, layout) for at in first]
    _check_jpeg_tiles(data, first, layout)
    _check_pages(data, page, layout)
    return any(planar)


def _check_pages(data: Data, page: int, layout: _Layout) -> None:
    """Raise ``Unusable`` if all directories together have too much. A damaged one ends them, as it does for libtiff."""
    pages = Allowance(MOST_PAGES, "pages")
    entries = Allowance(MOST_ENTRIES_IN_ALL, "entries in the directories of its pages")
    values = Allowance(LARGEST_FILE, "bytes of values in the directories of its pages")
    while 0 < page < len(data):
        pages.spend()
        places = _entries(data, page, layout)
        entries.spend(len(places))
        if places.stop + layout.offset_size > len(data):
            return
        for at in places:
            size = _VALUE_SIZES.get(_number(data, at + 2, 2, layout.order), 0)
            values.spend(size * _number(data, at + 4, layout.offset_size, layout.order))
        page = _number(data, places.stop, layout.offset_size, layout.order)


def _entries(data: Data, page: int, layout: _Layout) -> range:
    """Return where the entries of a directory begin; the range stops at the place of the next directory."""
    count = _number(data, page, layout.count_size, layout.order)
    if count > MOST_ENTRIES:
        raise Unusable(f"it is a TIFF whose directory has {count:,} entries; the most is {MOST_ENTRIES:,}")
    first = page + layout.count_size
    return range(first, first + count * layout.entry, layout.entry)


def _check_jpeg_tiles(data: Data, entries: range, layout: _Layout) -> None:
    """Raise ``Unusable`` for tiles that take much time to decode."""
    # libtiff takes the first of two entries with the same tag.
    places = {_number(data, at, 2, layout.order): at for at in reversed(entries)}
    if not {_COMPRESSION, _TILE_OFFSETS, _TILE_SIZES} <= places.keys():
        return
    if _JPEG in _values(data, places[_COMPRESSION], layout):
        offsets, sizes = (
            _values(data, places[tag], layout, MOST_TILES, "tiles") for tag in (_TILE_OFFSETS, _TILE_SIZES)
        )
        check_tiles(data, offsets, sizes)


def _is_separate(data: Data, at: int, layout: _Layout) -> bool:
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


def _values(data: Data, at: int, layout: _Layout, most: int = MOST_SAMPLES, unit: str = "samples a pixel") -> list[int]:
    """Return the numbers of an entry, of which there are as many as samples a pixel or tiles."""
    size = _SIZES.get(_number(data, at + 2, 2, layout.order), 0)
    count = _number(data, at + 4, layout.offset_size, layout.order)
    if not size or not 1 <= count <= most:
        reason = f"{count:,} {unit}; the most is {most:,}" if count > most else f"unreadable {unit}"
        raise Unusable(f"it is a TIFF of {reason}")
    place = at + 4 + layout.offset_size
    if size * count > layout.offset_size:
        place = _number(data, place, layout.offset_size, layout.order)
    return [_number(data, place + size * one, size, layout.order) for one in range(count)]


def _number(data: Data, at: int, size: int, order: Literal["little", "big"]) -> int:
    found = data[at : at + size]
    if len(found) < size:
        raise Unusable("it is a damaged TIFF (its directory is not in the file)")
    return int.from_bytes(found, order)
