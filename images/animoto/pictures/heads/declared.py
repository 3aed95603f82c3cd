"""Refuses pictures whose heads ask for too much memory or time, whatever their width and height."""

from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from ..file_type import Kind
from .heif_items import hidden_heif_pixels
from .jpeg_scans import check_scans
from .tiff_directory import read_planar


class Declared(NamedTuple):
    """What a head says about memory, besides width and height."""

    hidden_pixels: int = 0
    """Those that a decoder holds besides those of the picture."""
    planar: bool = False
    """Whether each sample has pixels of its own, which a decoder puts together."""


def read_head(path: Path, kind: Kind, most_pixels: int) -> Declared:
    """Return what the file declares, or raise ``Unusable``.

    libvips and its libraries limit the rest themselves: the text and profiles that a PNG compresses, the size of a
    TIFF's tiles, and the coded pictures that are larger than a HEIC or AVIF declares.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        if kind is Kind.TIFF:
            return Declared(planar=read_planar(data))
        if kind is Kind.JPEG:
            check_scans(data)
        if kind in (Kind.HEIC, Kind.AVIF):
            return Declared(hidden_heif_pixels(data, most_pixels))
    return Declared()
