"""Move: where a camera begins over a picture, where it ends, and how it gets there."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import pi, sin
from typing import NamedTuple, Self

from cloudkon.instructions.animoto import Motion, Slide

_PACE = Fraction(3, 100)
"""Of the picture's size, a second."""
_FARTHEST = Fraction(12, 100)
"""Of the picture's size, however long it is shown."""
_SOFTNESS = 0.6
"""How much slower than on average it begins and ends: 0 not at all, 1 from and to a halt. It never halts: while a
transition begins it would seem stuck."""
_ASIDE = 0.7
"""How far towards an edge it closes in: 0 stays in the middle, 1 gets to the edge."""


class Window(NamedTuple):
    """What a camera sees: a part of the picture as wide and as high as ``side`` of it, from ``left`` and ``top`` on."""

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
    """-1 for the left, 1 for the right, 0 for neither."""
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
"""Taken by turns: neighbours never move alike, and pictures that follow one another don't seem to be on one belt."""


@dataclass(frozen=True, slots=True)
class Move:
    """The same for the same number and time, so that a job's film is the same each time."""

    way: _Way
    reach: float
    """How much smaller than the picture the smallest window is, or how far the window passes."""

    @classmethod
    def of(cls, number: int, slide: Slide) -> Self | None:
        """That of a film's picture of that number (from 0); nothing if it does not move."""
        if slide.motion is Motion.NONE:
            return None
        return cls(_WAYS[number % len(_WAYS)], float(min(_FARTHEST, _PACE * slide.seconds)))

    def __str__(self) -> str:
        """For people."""
        return f"{self.way}, by {100 * self.reach:.3g} %"

    def window(self, done: float) -> Window:
        """Where the camera is when so much of its time is over, 0 to 1."""
        begin, end = self._ends()
        share = _eased(done)
        if begin.side != end.side:
            # By equal factors in equal times, so that the pace of closing in looks even; and towards one point, so that
            # this point stays where it is.
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
    """Slower at both ends."""
    return done - _SOFTNESS * sin(2 * pi * done) / (2 * pi)
