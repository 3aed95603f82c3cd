"""Builds a track of AAC (ISO/IEC 14496-3; in MP4: 14496-14) from an ADTS file (14496-3, 1.A.2)."""

import struct
from array import array
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .boxes import box, full_box
from .chunks import Chunks
from .movie import ENABLED_IN_MOVIE, FULL_VOLUME, NORMAL_SPEED, UNDETERMINED, UPRIGHT, media
from .samples import sample_table

RATE: Final = 48_000
"""Samples a second."""
CHANNELS: Final = 2
FRAME: Final = 1024
"""Samples in a frame of AAC."""
PRIMING: Final = 1024
"""Samples that ffmpeg's encoder puts before the first one: the decoder's output until there is a frame to overlap
with."""
NUMBER: Final = 2
"""track_ID."""
_HEADER: Final = 7
"""Bytes of the ADTS header before each frame, without a checksum."""
_HEAD = bytes([0xFF, 0xF1, 0x4C, 0x80])
"""The constant part of each header: MPEG-4, no checksum, AAC LC, 48 kHz, stereo."""
_SAME = bytes([0xFF, 0xFF, 0xFD, 0xC0])
"""Mask of the constant bits. Of the others one is private, and the rest is the length."""
_CONFIGURATION = bytes([0x11, 0x90])
"""AudioSpecificConfig (1.6.2.1): object type 2 (AAC LC), sampling frequency 3 (48 kHz), 2 channels."""
_ES, _DECODER, _SPECIFIC, _SYNC = 3, 4, 5, 6
"""Tags of descriptors (ISO/IEC 14496-1, table 1)."""
_AAC, _AUDIO = 0x40, 5 << 2 | 1
"""objectTypeIndication and streamType (14496-1, tables 5 and 6)."""


class Sound:
    """The frames of an ADTS file. The file stays where it is; a few bytes are kept about each frame."""

    def __init__(self, path: Path) -> None:
        """Open and scan the file. Raises ``ValueError`` unless it is complete stereo AAC LC of 48 kHz."""
        self.sizes = _sizes(path)
        """Bytes of each frame, without its ADTS header."""
        self._file = path.open("rb")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        self._file.close()

    def read(self, frames: int) -> bytes:
        """Read the bytes of the next ``frames`` frames."""
        found = []
        for _frame in range(frames):
            size = _length(self._file.read(_HEADER)) - _HEADER
            found.append(self._file.read(size))
        return b"".join(found)

    def box(self, length: int, chunks: Chunks, first: int) -> bytes:
        """Return the box ``trak`` for frames whose chunks begin at offset ``first`` of the file.

        The track plays for ``length`` ticks of the movie's clock.
        """
        samples = len(self.sizes) * FRAME
        return box(
            b"trak",
            full_box(
                b"tkhd",
                0,
                ENABLED_IN_MOVIE,
                struct.pack(">IIIII8xHHHxx", 0, 0, NUMBER, 0, length, 0, 1, FULL_VOLUME),
                UPRIGHT,
                bytes(8),
            ),
            # Played from the first sample that was put in, up to the film's end.
            box(b"edts", full_box(b"elst", 0, 0, struct.pack(">IIiI", 1, length, PRIMING, NORMAL_SPEED))),
            box(
                b"mdia",
                full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, RATE, samples, UNDETERMINED, 0)),
                full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"soun"), b"Sound\0"),
                media(
                    full_box(b"smhd", 0, 0, bytes(4)),
                    sample_table(_description(), FRAME, self._pre_roll(), self.sizes, chunks, first),
                ),
            ),
        )

    def _pre_roll(self) -> bytes:
        """Return the boxes for pre-roll (14496-12, 10.1: "roll").

        A frame decodes correctly only if the one before it was decoded.
        """
        return full_box(b"sgpd", 1, 0, b"roll", struct.pack(">IIh", 2, 1, -1)) + full_box(
            b"sbgp", 0, 0, b"roll", struct.pack(">III", 1, len(self.sizes), 1)
        )


def _sizes(path: Path) -> "array[int]":
    sizes = array("I")
    end, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < end:
            file.seek(at)
            size = _length(file.read(_HEADER))
            at += size
            sizes.append(size - _HEADER)
    if at != end:
        raise ValueError("the last frame of AAC is not whole")
    return sizes


def _length(header: bytes) -> int:
    """Return the bytes of a frame with its header: 13 bits from the 31st on."""
    if len(header) < _HEADER or any(one & mask != is_ for one, mask, is_ in zip(header, _SAME, _HEAD, strict=False)):
        raise ValueError("it is not stereo AAC LC of 48 kHz in ADTS")
    size = int.from_bytes(header[3:6], "big") >> 5 & 0x1FFF
    if size <= _HEADER:
        raise ValueError("a frame of AAC is empty")
    return size


def _description() -> bytes:
    """Return ``mp4a`` (14496-14, 5.6) with the elementary stream's descriptors (14496-1, 7.2.6)."""
    decoder = struct.pack(">BB3xII", _AAC, _AUDIO, 0, 0) + _descriptor(_SPECIFIC, _CONFIGURATION)
    stream = struct.pack(">HB", 0, 0) + _descriptor(_DECODER, decoder) + _descriptor(_SYNC, b"\2")
    return box(
        b"mp4a",
        struct.pack(">6xH8xHH4xI", 1, CHANNELS, 16, RATE << 16),
        full_box(b"esds", 0, 0, _descriptor(_ES, stream)),
    )


def _descriptor(tag: int, data: bytes) -> bytes:
    """Return a descriptor that is short enough for a length of one byte."""
    return bytes([tag, len(data)]) + data
