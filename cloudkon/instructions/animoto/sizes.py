"""Defines the named sizes and the aspect ratios of videos."""

from enum import Enum
from fractions import Fraction


class Preset(Enum):
    """Sizes by name, which is the number of pixels of the shorter side; the 4K of televisions has 2160 lines."""

    HD = "720p"
    FULL_HD = "1080p"
    ULTRA_HD = "4k"

    @property
    def short_side(self) -> int:
        """In pixels."""
        return 2160 if self is Preset.ULTRA_HD else int(self.value.removesuffix("p"))


class Aspect(Enum):
    """Width to height."""

    WIDE = "16:9"
    """For televisions and computers."""
    TALL = "9:16"
    """For phones held upright: stories, reels, shorts."""
    SQUARE = "1:1"
    PORTRAIT = "4:5"
    """The tallest shape that picture feeds show whole."""

    @property
    def ratio(self) -> Fraction:
        """Width divided by height."""
        width, _, height = self.value.partition(":")
        return Fraction(int(width), int(height))


def sides(preset: Preset, aspect: Aspect) -> tuple[int, int]:
    """Return width and height in pixels, both even."""
    short, ratio = preset.short_side, aspect.ratio
    return (int(short * ratio), short) if ratio >= 1 else (short, int(short / ratio))
