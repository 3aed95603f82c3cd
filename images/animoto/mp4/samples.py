"""Collects the sizes and times of a track's frames, and builds their tables (ISO/IEC 14496-12, 8.6, 8.7)."""

import struct
from array import array
from collections.abc import Sequence
from itertools import groupby

from .boxes import box, counted, full_box, numbers
from .chunks import Chunks

TICKS = 512
"""Ticks of the track's clock for each frame; enough that players which count in milliseconds round little."""


class Samples:
    """Collects a few bytes about each frame, in the order of the file."""

    def __init__(self) -> None:
        """Begin without frames."""
        self.sizes = array("I")
        """Bytes of each frame."""
        self._delays = array("i")
        """Frames between decoding and display."""
        self._keys = array("I")
        self.total = 0
        """Bytes of all frames."""

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.sizes)

    def add(self, size: int, shown: int, *, key: bool) -> None:
        """Add a frame: its bytes, its place (from 0) in the order of display, and whether players can begin there."""
        self._delays.append(shown - len(self.sizes))
        self.sizes.append(size)
        self.total += size
        if key:
            self._keys.append(len(self.sizes))

    @property
    def delay(self) -> int:
        """Frames by which display is delayed after decoding, so that no frame is shown before it is decoded."""
        return -min(self._delays, default=0)

    def tables(self, description: bytes, chunks: Chunks, first: int) -> bytes:
        """Return the sample table; see ``sample_table``."""
        keys = full_box(b"stss", 0, 0, struct.pack(">I", len(self._keys)), numbers(self._keys))
        return sample_table(description, TICKS, self._composition() + keys, self.sizes, chunks, first)

    def _composition(self) -> bytes:
        """Return ``ctts``, if frames are not shown in the order of the file."""
        if not any(self._delays):
            return b""
        delay = self.delay
        runs = [(len(list(run)), (value + delay) * TICKS) for value, run in groupby(self._delays)]
        return full_box(b"ctts", 0, 0, counted(runs))


def sample_table(
    description: bytes, ticks: int, further: bytes, sizes: Sequence[int], chunks: Chunks, first: int
) -> bytes:
    """Return the box ``stbl``: samples of ``ticks`` each, in ``chunks`` that begin at offset ``first`` of the file.

    ``further`` are the track's own boxes, about times and places at which players can begin.
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
