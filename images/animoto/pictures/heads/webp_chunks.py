"""Counts the chunks of a WebP (RFC 9649), of which its decoder keeps a list."""

from .allowance import Allowance, Data
from .exif_directory import ExifEntries

MOST_CHUNKS = 20_000
"""Each frame of an animation is two, and libvips goes through all frames before each: 10,000 take 0.8 s, and a million
take hours. Of other chunks, 8 million take 600 MiB."""
_HEADER = 12
_FRAME_HEADER = 16


def check_chunks(data: Data) -> None:
    """Raise ``Unusable`` for a WebP of too many chunks."""
    chunks, exif = Allowance(MOST_CHUNKS, "frames and other chunks"), ExifEntries()
    at = _HEADER
    while at + 8 <= len(data):
        chunks.spend()
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            exif.count(data, at + 8, at + 8 + size)
        # A frame's own chunks count, and those that follow its pixels.
        at += 8 + (_FRAME_HEADER if data[at : at + 4] == b"ANMF" else size + size % 2)
