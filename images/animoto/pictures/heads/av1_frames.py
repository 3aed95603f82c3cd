"""Counts the frames of an AVIF's item: an encoder writes one, or one for each layer, but a decoder decodes them all."""

from .allowance import Allowance, Data

_FRAME_HEADER, _FRAME = 3, 6
"""The kinds of a unit that begins a frame (AV1 Bitstream Specification, 6.2.2)."""
_LONGEST_SIZE = 8
"""Bytes of a unit's size (the same, 4.10.5)."""


def count_frames(data: Data, begin: int, end: int, units: Allowance) -> int:
    """Return the frames in the bytes of an item; what is no AV1 is not counted."""
    frames, at = 0, begin
    while at < end:
        units.spend()
        head = data[at]
        frames += head >> 3 & 15 in (_FRAME_HEADER, _FRAME)
        at += 2 if head & 4 else 1
        if not head & 2:
            break  # without a size, a unit is the last one
        size, at = _size(data, at, end)
        at += size
    return frames


def _size(data: Data, at: int, end: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it, and the place after it."""
    size = 0
    for place, byte in enumerate(data[at : min(at + _LONGEST_SIZE, end)]):
        size |= (byte & 127) << (7 * place)
        if byte < 128:  # noqa: PLR2004  (the bit that says that more follow)
            return size, at + place + 1
    return 0, end
