"""Builds the index entry of an H.264 track (ISO/IEC 14496-12, 8; 14496-15, 5)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from .boxes import box, full_box
from .chunks import Chunks
from .movie import ENABLED_IN_MOVIE, NORMAL_SPEED, UNDETERMINED, UPRIGHT, media
from .samples import TICKS, Samples

NUMBER = 1
"""track_ID."""
_DOTS_PER_INCH = 72 << 16
_BT709 = 1


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """A track of ``width`` x ``height`` pixels and ``fps`` frames a second.

    It has the NAL units of its parameter sets.
    """

    width: int
    height: int
    fps: int
    sps: bytes
    picture_sets: Sequence[bytes]

    @property
    def scale(self) -> int:
        """Ticks of its clock in a second."""
        return self.fps * TICKS

    def box(self, samples: Samples, chunks: Chunks, first: int) -> bytes:
        """Return the box ``trak`` for frames whose chunks begin at offset ``first`` of the file."""
        length = len(samples) * TICKS
        return box(
            b"trak",
            full_box(
                b"tkhd",
                0,
                ENABLED_IN_MOVIE,
                struct.pack(">IIIII16x", 0, 0, NUMBER, 0, length),
                UPRIGHT,
                struct.pack(">II", self.width << 16, self.height << 16),
            ),
            box(
                b"edts",  # display begins with the first frame, however long after its decoding
                full_box(b"elst", 0, 0, struct.pack(">IIiI", 1, length, samples.delay * TICKS, NORMAL_SPEED)),
            ),
            box(
                b"mdia",
                full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, self.scale, length, UNDETERMINED, 0)),
                full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"Video\0"),
                media(full_box(b"vmhd", 0, 1, bytes(8)), samples.tables(self._description(), chunks, first)),
            ),
        )

    def _description(self) -> bytes:
        """Return ``avc1``, with the parameter sets and the colours."""
        return box(
            b"avc1",
            struct.pack(">6xH16xHH", 1, self.width, self.height),
            struct.pack(">IIIH32xHh", _DOTS_PER_INCH, _DOTS_PER_INCH, 0, 1, 24, -1),
            self._configuration(),
            box(b"colr", b"nclx", struct.pack(">HHHB", _BT709, _BT709, _BT709, 0)),
            box(b"pasp", struct.pack(">II", 1, 1)),
        )

    def _configuration(self) -> bytes:
        """Return ``avcC`` (14496-15, 5.3.3.1): in frames each NAL unit follows its length in four bytes."""
        sets = [_with_length(unit) for unit in self.picture_sets]
        return box(
            b"avcC",
            bytes([1, *self.sps[1:4], 0xFF, 0xE1]),
            _with_length(self.sps),
            bytes([len(sets)]),
            *sets,
            bytes([0xFD, 0xF8, 0xF8, 0]),  # of High profile: 4:2:0, 8 bit, 8 bit, no extensions
        )


def _with_length(unit: bytes) -> bytes:
    return struct.pack(">H", len(unit)) + unit
