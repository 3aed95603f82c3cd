"""Builds the index of a file, and the boxes that all kinds of tracks share (ISO/IEC 14496-12, 8.1 to 8.7)."""

import struct

from .boxes import box, full_box

FILE_TYPE = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
UPRIGHT = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""The matrix that neither rotates nor scales."""
NORMAL_SPEED = 0x10000
FULL_VOLUME = 0x100
UNDETERMINED = 0x55C4
"""The language "und", packed."""
ENABLED_IN_MOVIE = 3


def movie(scale: int, length: int, *tracks: bytes) -> bytes:
    """Return the box ``moov``, for tracks with the numbers 1, 2 and so on.

    The movie lasts ``length`` ticks of a clock with ``scale`` ticks a second.
    """
    return box(
        b"moov",
        full_box(
            b"mvhd",
            0,
            0,
            struct.pack(">IIII", 0, 0, scale, length),
            struct.pack(">IH10x", NORMAL_SPEED, FULL_VOLUME),
            UPRIGHT,
            bytes(24),
            struct.pack(">I", len(tracks) + 1),  # the next track's number
        ),
        *tracks,
    )


def media(header: bytes, tables: bytes) -> bytes:
    """Return the box ``minf``: a header for the track's kind, a reference to this same file, and the sample table."""
    return box(
        b"minf",
        header,
        box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
        tables,
    )
