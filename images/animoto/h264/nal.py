"""Writes and reads NAL units, the packets of H.264, and splits streams of them (ITU-T H.264, 7.3.1 and annex B)."""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple, Self

from .unsupported import Unsupported

_START = b"\0\0\1"
_ESCAPED = re.compile(rb"\x00\x00\x03(?=[\x00-\x03]|\Z)")
_TO_ESCAPE = re.compile(rb"\x00\x00(?=[\x00-\x03])")


class NalType(IntEnum):
    """What a NAL unit carries (table 7-1), for the types that are used here."""

    SLICE = 1
    IDR_SLICE = 5
    """A slice of a picture at which decoding can begin: nothing after it refers to anything before it."""
    SPS = 7
    PPS = 8


class Nal(NamedTuple):
    """A NAL unit: its type's number, its reference value, and its payload without emulation prevention bytes."""

    type: int
    reference: int
    """nal_ref_idc: 0 for a slice that no other refers to, up to 3."""
    payload: bytes

    def to_bytes(self) -> bytes:
        """Return its bytes in a file (7.3.1), with a 3 wherever the payload looks like a start code (7.4.1.1)."""
        escaped = _TO_ESCAPE.sub(b"\0\0\3", self.payload)
        if escaped.endswith(b"\0\0"):
            escaped += b"\3"
        return bytes([self.reference << 5 | self.type]) + escaped

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read the unit that these bytes are."""
        if not data or data[0] & 0x80:
            raise Unsupported("a packet does not begin as one")
        return cls(data[0] & 31, data[0] >> 5 & 3, _ESCAPED.sub(b"\0\0", data[1:]))


class StreamSplitter:
    """Splits a byte stream (annex B: start codes between the units) that arrives piece by piece."""

    def __init__(self) -> None:
        """Begin before the first start code."""
        self._held = bytearray()
        self._searched = 0
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[Nal]:
        """Yield the units that end within this piece: the next start code ends a unit."""
        self._held += piece
        while (at := self._held.find(_START, self._searched)) >= 0:
            yield from self._unit(at)
            del self._held[: at + len(_START)]
            self._searched, self._begun = 0, True
        # A start code may begin in the last two bytes.
        self._searched = max(0, len(self._held) - 2)

    def end(self) -> Iterator[Nal]:
        """Yield the unit that the end of the stream completes."""
        yield from self._unit(len(self._held))

    def _unit(self, end: int) -> Iterator[Nal]:
        # Zeros before a start code belong to no unit (trailing_zero_8bits, B.1): a unit never ends with a zero.
        data = bytes(self._held[:end]).rstrip(b"\0")
        if data and self._begun:
            yield Nal.of(data)
