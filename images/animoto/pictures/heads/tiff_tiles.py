"""Checks the tiles of a TIFF that are JPEGs (TIFF Technical Note 2): libvips decodes each without a limit of scans."""

from collections.abc import Sequence

from ..missing import Unusable
from .allowance import LARGEST_FILE, Allowance, Data
from .jpeg_scans import JPEG_SEGMENTS, check_scans

MOST_TILES = 65_536
"""100 megapixels in tiles of 40 x 40; usual ones have 256 x 256."""
_MOST_SEGMENTS = 8 * MOST_TILES
"""Segments of all tiles together; usual ones have 3 to 7."""


def check_tiles(data: Data, offsets: Sequence[int], sizes: Sequence[int]) -> None:
    """Raise ``Unusable`` for tiles of too many scans or segments. Each part of the file is read once."""
    segments = Allowance(_MOST_SEGMENTS, JPEG_SEGMENTS)
    stored = Allowance(LARGEST_FILE, "bytes in tiles that share them")
    for offset, size in dict.fromkeys(zip(offsets, sizes, strict=False)):
        stored.spend(size)
        try:
            check_scans(data[offset : offset + size], segments)
        except Unusable as error:
            raise Unusable(f"one of its tiles can't be used: {error.reason}") from None
