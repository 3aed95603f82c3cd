"""Computes where a camera begins over a picture, where it ends, and its path between."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import pi, sin
from typing import NamedTuple, Self

from cloudkon.instructions.animoto import Motion, Slide

_PACE = Fraction(3, 100)
"""Part of the picture's size that the camera moves in a second."""
_FARTHEST = Fraction(12, 100)
"""Part of the picture's size that the camera moves at most, however long the picture is shown."""
_SOFTNESS = 0.6
"""How much slower than its average the camera is at both ends: 0 not at all, 1 down to a halt. It must not halt: during
a transition the picture would seem stuck."""
_ASIDE = 0.7
"""How far from the middle the camera zooms in: 0 stays in the middle, 1 reaches the edge."""


class Window(NamedTuple):
    """What a camera sees: ``side`` of the picture's width and height, from ``left`` and ``top`` on."""

    left: float
    top: float
    side: float


WHOLE = Window(0.0, 0.0, 1.0)


class _Kind(Enum):
    IN = "closing in on"
    OUT = "drawing back from"
    PAN = "passing to"


class _Way(NamedTuple):
    kind: _Kind
    right: int
    """-1 for left, 1 for right, 0 for neither."""
    down: int

    def __str__(self) -> str:
        across = {-1: "left", 0: "", 1: "right"}[self.right]
        along = {-1: "upper", 0: "", 1: "lower"}[self.down]
        return f"{self.kind.value} the {' '.join(word for word in (along, across) if word)}"


_WAYS = (
    _Way(_Kind.IN, -1, -1),
    _Way(_Kind.PAN, 1, 0),
    _Way(_Kind.OUT, 1, 1),
    _Way(_Kind.PAN, -1, -1),
    _Way(_Kind.IN, 1, -1),
    _Way(_Kind.OUT, -1, 0),
    _Way(_Kind.PAN, 1, 1),
    _Way(_Kind.IN, -1, 1),
    _Way(_Kind.OUT, 1, -1),
    _Way(_Kind.PAN, -1, 0),
)
"""Used in rotation: neighbouring pictures never move alike, and a row of pictures does not look like one moving
belt."""


@dataclass(frozen=True, slots=True)
class Move:
    """A camera move, equal for equal picture numbers and times, so that a job's film is the same each time."""

    way: _Way
    reach: float
    """How much smaller than the picture the smallest window is, or how far the window pans."""

    @classmethod
    def of(cls, number: int, slide: Slide) -> Self | None:
        """Return the move of the film's picture with that number (from 0), or ``None`` if it does not move."""
        if slide.motion is Motion.NONE:
            return None
        return cls(_WAYS[number % len(_WAYS)], float(min(_FARTHEST, _PACE * slide.seconds)))

    def __str__(self) -> str:
        """Describe the move for people."""
        return f"{self.way}, by {100 * self.reach:.3g} %"

    def window(self, done: float) -> Window:
        """Return where the camera is when a part ``done`` of its time is over, 0 to 1."""
        begin, end = self._ends()
        share = _eased(done)
        if begin.side != end.side:
            # Equal zoom factors in equal times make an even pace. The zoom is centred on one point, which stays in
            # place.
            side = begin.side * (end.side / begin.side) ** share
            share = (side - begin.side) / (end.side - begin.side)
        return Window(*(one + (other - one) * share for one, other in zip(begin, end, strict=True)))

    def _ends(self) -> tuple[Window, Window]:
        kind, right, down = self.way
        small = 1 - self.reach
        middle = self.reach / 2
        if kind is _Kind.PAN:
            away = middle * right, middle * down * _ASIDE
            return (
                Window(middle - away[0], middle - away[1], small),
                Window(middle + away[0], middle + away[1], small),
            )
        near = Window(middle * (1 + right * _ASIDE), middle * (1 + down * _ASIDE), small)
        return (WHOLE, near) if kind is _Kind.IN else (near, WHOLE)


def _eased(done: float) -> float:
    """Ease the movement: slower at both ends."""
    return done - _SOFTNESS * sin(2 * pi * done) / (2 * pi)
