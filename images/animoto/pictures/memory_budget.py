"""Room: whether there is memory for decoders that hold a picture as a whole, before they take it.

Most pictures are shrunk while they are decoded, in some 50 MiB whatever their size. Where the format or its decoder
forbids that, a GIF of 67 KB takes a gigabyte, and a container that may have half would be killed with all that it does.
"""

import os
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

from .file_type import Kind
from .missing import Unusable

BYTES_A_PIXEL: Final = {
    Kind.JPEG: 7,
    Kind.PNG: 9,
    Kind.WEBP: 7,
    Kind.GIF: 10,
    Kind.BMP: 11,
    Kind.HEIC: 12,
    Kind.AVIF: 16,
}
"""Measured on pictures of 48 and 100 megapixels as resident memory, with transparency where there can be some, and
rounded up. A JPEG's and a PNG's are those of interlaced ones: the others come a row at a time, and so do most TIFFs."""
_TILES: Final = 4
"""Times a row of a TIFF's tiles, that its decoder takes: in tiles of 4096 rows 100 megapixels take 390 MiB."""
_RESERVED: Final = 300 * 1024**2
"""Bytes that a worker needs besides: its own process 60 MiB, this one 90, ffmpeg 100, and files in a /tmp in memory."""
_LEAST: Final = 64 * 1024**2
"""Bytes that are there for a picture all the same: 10 megapixels of most kinds."""
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of a container's memory, by cgroup v2 and v1."""

_one_at_a_time: Final = Lock()


def reserve(kind: Kind, width: int, height: int) -> AbstractContextManager[object]:
    """What to hold while a picture is decoded as a whole: one at a time is. Raise ``Unusable`` if there is no room."""
    return _reserve(kind, width, height, BYTES_A_PIXEL[kind] * width * height)


def reserve_tiles(width: int, height: int, tile_height: int, pixel_bytes: int) -> AbstractContextManager[object]:
    """The same for a TIFF that is decoded a row of tiles at a time."""
    return _reserve(Kind.TIFF, width, height, _TILES * pixel_bytes * width * tile_height)


def _reserve(kind: Kind, width: int, height: int, needed: int) -> AbstractContextManager[object]:
    there = available()
    if needed > there:
        raise Unusable(
            f"its {width} x {height} pixels take {needed // 1024**2} MiB to decode as {kind.value}, "
            f"and this worker has {there // 1024**2} MiB for that"
        )
    return _one_at_a_time


@cache
def available() -> int:
    """Bytes that a picture may take here, of what this container or machine has."""
    return max(_LEAST, min(_machine(), *map(_limit, _LIMITS)) - _RESERVED)


def _limit(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return _machine()


def _machine() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
