"""Refuses pictures whose heads ask for too much memory or time, whatever their width and height."""

from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from ..file_type import Kind
from .allowance import Data
from .bmp_runs import check_runs
from .gif_blocks import check_blocks
from .heif_items import hidden_heif_pixels
from .jpeg_scans import check_scans
from .png_chunks import check_chunks as check_png
from .tiff_directory import read_planar
from .webp_chunks import check_chunks as check_webp


class Declared(NamedTuple):
    """What a head says about memory, besides width and height."""

    hidden_pixels: int = 0
    """Those that a decoder holds besides those of the picture."""
    planar: bool = False
    """Whether each sample has pixels of its own, which a decoder puts together."""


_CHECKS: dict[Kind, Callable[[Data], None]] = {
    Kind.JPEG: check_scans,
    Kind.PNG: check_png,
    Kind.WEBP: check_webp,
    Kind.GIF: check_blocks,
    Kind.BMP: check_runs,
}


def read_head(path: Path, kind: Kind, most_pixels: int) -> Declared:
    """Return what the file declares, or raise ``Unusable``.

    libvips and its libraries limit the rest themselves: the size of a TIFF's tiles, the bytes of a strip that are read,
    and the coded pictures that are larger than a HEIC or AVIF declares.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return declared(data, kind, most_pixels)


def declared(data: Data, kind: Kind, most_pixels: int) -> Declared:
    """Do the same for a file in memory."""
    if kind is Kind.TIFF:
        return Declared(planar=read_planar(data))
    if kind in {Kind.HEIC, Kind.AVIF}:
        return Declared(hidden_heif_pixels(data, most_pixels))
    _CHECKS[kind](data)
    return Declared()
