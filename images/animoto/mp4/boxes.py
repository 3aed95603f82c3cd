"""Builds boxes, of which MP4 files consist (ISO/IEC 14496-12, 4.2)."""

import struct
from collections.abc import Iterable, Sequence

_LARGE = 1 << 32
"""From here on a size or an offset takes 64 bits."""


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box: its size, its kind of four letters, and its content."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Return a box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def head_of(kind: bytes, size: int) -> bytes:
    """Return the header of a box whose content of ``size`` bytes is written after it."""
    if size + 8 < _LARGE:
        return struct.pack(">I4s", size + 8, kind)
    return struct.pack(">I4sQ", 1, kind, size + 16)


def is_large(end: int) -> bool:
    """Return whether offsets up to this one take 64 bits."""
    return end >= _LARGE


def counted(rows: Sequence[Sequence[int]]) -> bytes:
    """Return a table of 32-bit numbers, preceded by its number of rows."""
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(f">{len(row)}I", *row) for row in rows)


def numbers(values: Iterable[int], kind: str = "I") -> bytes:
    """Return the numbers in big-endian order; ``kind`` is a format letter of ``struct``."""
    listed = list(values)
    return struct.pack(f">{len(listed)}{kind}", *listed)
