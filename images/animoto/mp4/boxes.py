"""Boxes: what MP4 files are made of (ISO/IEC 14496-12, 4.2)."""

import struct
from collections.abc import Iterable, Sequence

_LARGE = 1 << 32
"""From here on a size or an offset takes 64 bits."""


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box: its size, its kind of four letters, and what is in it."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def head_of(kind: bytes, size: int) -> bytes:
    """The beginning of a box whose ``size`` bytes are written behind it."""
    if size + 8 < _LARGE:
        return struct.pack(">I4s", size + 8, kind)
    return struct.pack(">I4sQ", 1, kind, size + 16)


def is_large(end: int) -> bool:
    """Whether offsets up to this one take 64 bits."""
    return end >= _LARGE


def counted(rows: Sequence[Sequence[int]]) -> bytes:
    """A table of 32-bit numbers behind the number of its rows."""
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(f">{len(row)}I", *row) for row in rows)


def numbers(values: Iterable[int], kind: str = "I") -> bytes:
    """Big-endian, whatever this machine is; ``kind`` is that of ``struct``."""
    listed = list(values)
    return struct.pack(f">{len(listed)}{kind}", *listed)
