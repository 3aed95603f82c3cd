"""Checks that there is memory for a decoder that holds a whole picture, before it decodes.

Most pictures are shrunk while they are decoded, in some 50 MiB whatever their size. Some formats and decoders can't do
that: a GIF of 67 KB can take a gigabyte, and a container limited to half of that would be killed with all its work.
"""

import os
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

from ..ffmpeg.memory_allocation import data_limit
from .file_type import Kind
from .missing import Unusable

BYTES_A_PIXEL: Final = {
    Kind.JPEG: 7,
    Kind.PNG: 10,
    Kind.WEBP: 7,
    Kind.GIF: 10,
    Kind.BMP: 11,
    Kind.HEIC: 12,
    Kind.AVIF: 18,
}
"""Measured on pictures of 36 to 100 megapixels as resident memory, with transparency where the format has it, for its
largest samples, and rounded up. The figures for JPEG and PNG are those of interlaced files: other files are decoded row
by row, and so are most TIFFs."""
_COLOURS: Final = 3
_TILES: Final = 4
"""How many rows of a TIFF's tiles its decoder holds: in tiles of 4096 rows, 100 megapixels take 390 MiB."""
_ROWS: Final = 1200
"""Rows that are held while a picture is shrunk: 100 megapixels of 32 bytes, 12,500 wide, take 460 MB."""
_PLANES: Final = 2
"""How often a decoder holds a TIFF whose samples are kept apart: in strips, and together."""
_RESERVED: Final = 300 * 1024**2
"""Bytes that a worker needs besides: 60 MiB for its own process, 90 for this one, 100 for ffmpeg, the rest for files in
a /tmp in memory."""
_LEAST: Final = 64 * 1024**2
"""Bytes that a picture may always take: enough for 10 megapixels of most kinds."""
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files with a container's memory limit, of cgroup v2 and v1."""

_one_at_a_time: Final = Lock()


def reserve(kind: Kind, width: int, height: int, *, hidden: int = 0, bands: int = 0) -> AbstractContextManager[object]:
    """Return the lock to hold while a picture is decoded as a whole, so that only one is at a time.

    ``hidden`` are the pixels that the decoder holds besides. Raises ``Unusable`` if there is not enough memory.
    """
    a_pixel = BYTES_A_PIXEL[kind]
    if kind is Kind.JPEG and bands > _COLOURS:  # CMYK: two bytes for each coefficient, and the pixel's own
        a_pixel += 2 * (bands - _COLOURS)
    return _reserve(kind, width, height, a_pixel * (width * height + hidden))


def reserve_tiles(width: int, height: int, row_bytes: int) -> AbstractContextManager[object]:
    """Return the same lock for a TIFF that is decoded one row of tiles at a time."""
    return _reserve(Kind.TIFF, width, height, _TILES * row_bytes)


def reserve_planes(width: int, height: int, pixel_bytes: int) -> AbstractContextManager[object]:
    """Return the same lock for a TIFF whose samples are kept apart."""
    return _reserve(Kind.TIFF, width, height, _PLANES * pixel_bytes * width * height)


def reserve_rows(width: int, height: int, row_bytes: int) -> AbstractContextManager[object]:
    """Return the same lock for a TIFF that is decoded by rows, of pixels with many or large samples."""
    return _reserve(Kind.TIFF, width, height, min(height, _ROWS) * row_bytes)


def _reserve(kind: Kind, width: int, height: int, needed: int) -> AbstractContextManager[object]:
    there = available()
    if needed > there:
        raise Unusable(
            f"its {width} x {height} pixels take {needed // 1024**2} MiB to decode as {kind.value}, "
            f"but this worker has {there // 1024**2} MiB for that"
        )
    return _one_at_a_time


@cache
def available() -> int:
    """Return how many bytes a picture may take in this container or on this machine."""
    return max(_LEAST, min(_machine(), *map(_limit, _LIMITS), data_limit()) - _RESERVED)


def _limit(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # there is no such file, or it contains "max"
        return _machine()


def _machine() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
