"""Chooses the level of a video: what its decoders must be capable of (ITU-T H.264, table A-1)."""

from typing import NamedTuple


class Level(NamedTuple):
    """One row of the table."""

    idc: int
    """level_idc: ten times the level's number."""
    macroblock_rate: int
    """MaxMBPS: macroblocks a second."""
    frame_size: int
    """MaxFS: macroblocks a frame."""
    buffer_size: int
    """MaxDpbMbs: macroblocks in the decoded picture buffer."""


_LEVELS = (
    Level(10, 1_485, 99, 396),
    Level(11, 3_000, 396, 900),
    Level(12, 6_000, 396, 2_376),
    Level(13, 11_880, 396, 2_376),
    Level(20, 11_880, 396, 2_376),
    Level(21, 19_800, 792, 4_752),
    Level(22, 20_250, 1_620, 8_100),
    Level(30, 40_500, 1_620, 8_100),
    Level(31, 108_000, 3_600, 18_000),
    Level(32, 216_000, 5_120, 20_480),
    Level(40, 245_760, 8_192, 32_768),
    Level(42, 522_240, 8_704, 34_816),
    Level(50, 589_824, 22_080, 110_400),
    Level(51, 983_040, 36_864, 184_320),
    Level(52, 2_073_600, 36_864, 184_320),
    Level(60, 4_177_920, 139_264, 696_320),
    Level(61, 8_355_840, 139_264, 696_320),
    Level(62, 16_711_680, 139_264, 696_320),
)
"""The table without 1b and 4.1, which differ from their neighbours only in bit rate. Bit rates are ignored, as x264
ignores them without a rate limit: a slideshow's peak, one still, lasts one frame."""


def level_of(width: int, height: int, fps: int, references: int) -> int:
    """Return the level_idc of the lowest level for pictures of ``width`` x ``height`` macroblocks.

    ``references`` is the number of pictures that a decoder must hold.
    """
    size = width * height
    for level in _LEVELS:
        if (
            size * fps <= level.macroblock_rate
            and size <= level.frame_size
            # A.3.1 g and h: neither side may be longer than this.
            and max(width, height) ** 2 <= 8 * level.frame_size
            and size * references <= level.buffer_size
        ):
            return level.idc
    raise ValueError(f"no level has {width}x{height} macroblocks at {fps} frames a second")
