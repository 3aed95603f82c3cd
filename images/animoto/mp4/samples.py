"""Samples: the sizes and times of a track's frames, and the tables that say so (ISO/IEC 14496-12, 8.6, 8.7)."""

import struct
from array import array
from collections.abc import Sequence
from itertools import groupby

from .boxes import box, counted, full_box, numbers
from .chunks import Chunks

TICKS = 512
"""Of the track's clock a frame, so that players which count in milliseconds or so round little."""


class Samples:
    """Collects what is known of each frame, in the order of the file: a few bytes a frame."""

    def __init__(self) -> None:
        """Begin without any."""
        self.sizes = array("I")
        """Bytes of each frame."""
        self._delays = array("i")
        """Frames from decoding to display."""
        self._keys = array("I")
        self.total = 0
        """Bytes of all frames."""

    def __len__(self) -> int:
        """How many frames."""
        return len(self.sizes)

    def add(self, size: int, shown: int, *, key: bool) -> None:
        """The next frame: its bytes, its place (from 0) in the order of display, whether players can begin there."""
        self._delays.append(shown - len(self.sizes))
        self.sizes.append(size)
        self.total += size
        if key:
            self._keys.append(len(self.sizes))

    @property
    def delay(self) -> int:
        """Frames by which display lies behind decoding, so that none is shown before it is decoded."""
        return -min(self._delays, default=0)

    def tables(self, description: bytes, chunks: Chunks, first: int) -> bytes:
        """The sample table; see ``sample_table``."""
        keys = full_box(b"stss", 0, 0, struct.pack(">I", len(self._keys)), numbers(self._keys))
        return sample_table(description, TICKS, self._composition() + keys, self.sizes, chunks, first)

    def _composition(self) -> bytes:
        """``ctts``, where frames are not shown in the order of the file."""
        if not any(self._delays):
            return b""
        delay = self.delay
        runs = [(len(list(run)), (value + delay) * TICKS) for value, run in groupby(self._delays)]
        return full_box(b"ctts", 0, 0, counted(runs))


def sample_table(
    description: bytes, ticks: int, further: bytes, sizes: Sequence[int], chunks: Chunks, first: int
) -> bytes:
    """The box ``stbl``: samples of ``ticks`` each, that lie in ``chunks`` from offset ``first`` of the file on.

    ``further`` are boxes of the track's own, about times and places to begin at.
    """
    return box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), description),
        full_box(b"stts", 0, 0, counted([(len(sizes), ticks)])),
        further,
        chunks.tables(first)[0],
        full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(sizes)), numbers(sizes)),
        chunks.tables(first)[1],
    )
