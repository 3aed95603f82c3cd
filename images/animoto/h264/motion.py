"""Computes where a macroblock's pixels come from, and what a decoder predicts (ITU-T H.264, 8.4.1).

A motion says which list's picture a 16x16 macroblock shows, and from how far to the right. Nothing moves up or down
here.
"""

from dataclasses import dataclass
from typing import NamedTuple

BEFORE, AFTER = 0, 1
"""The lists: references that are shown before this picture, and after it. Each list holds one picture here
(8.2.4.2.3)."""
FARTHEST = 8191
"""Quarters of a pixel: how far to either side a vector may point (A.3.1, horizontal range)."""


class Vector(NamedTuple):
    """Motion of one list: whether the list is used, and the shift in quarters of a pixel."""

    used: bool
    right: int


UNUSED = Vector(used=False, right=0)


@dataclass(frozen=True, slots=True)
class MacroblockMotion:
    """A macroblock's vectors, one for each list."""

    before: Vector = UNUSED
    after: Vector = UNUSED

    def of(self, side: int) -> Vector:
        """Return the vector of one list."""
        return self.before if side == BEFORE else self.after


def moved(side: int, pixels: int) -> MacroblockMotion:
    """Return the motion that shows one of the two pictures, shifted: what is ``pixels`` further right in it."""
    vector = Vector(used=True, right=4 * pixels)
    return MacroblockMotion(before=vector) if side == BEFORE else MacroblockMotion(after=vector)


class Neighbours(NamedTuple):
    """The macroblocks that prediction uses (figure 6-14); ``None`` where there is none."""

    left: MacroblockMotion | None
    above: MacroblockMotion | None
    corner: MacroblockMotion | None
    """Above to the right, or above to the left if there is none (8.4.1.3.2)."""

    def of(self, side: int) -> list[Vector]:
        """Return their vectors in one list (8.4.1.3)."""
        left, above, corner = (UNUSED if one is None else one.of(side) for one in self)
        # In the first row, the left neighbour stands for all three.
        return [left] * 3 if self.above is None and self.corner is None and self.left else [left, above, corner]


def predicted(neighbours: Neighbours, side: int) -> int:
    """Return the predicted vector: the only neighbour's that uses the list, or the median (8.4.1.3, 8.4.1.3.1)."""
    vectors = neighbours.of(side)
    using = [vector.right for vector in vectors if vector.used]
    return using[0] if len(using) == 1 else sorted(vector.right for vector in vectors)[1]


def inherited(neighbours: Neighbours) -> MacroblockMotion:
    """Return what a skipped macroblock of a B slice shows: spatial direct prediction (8.4.1.2.2).

    Each list that a neighbour uses has the predicted vector; if no neighbour uses any list, both lists are used without
    motion. This holds where the macroblock at the same place in the later picture is intra-coded: otherwise that one
    could force the vector to zero.
    """
    uses = [any(vector.used for vector in neighbours.of(side)) for side in (BEFORE, AFTER)]
    if not any(uses):
        return MacroblockMotion(Vector(used=True, right=0), Vector(used=True, right=0))
    before, after = (
        Vector(used=True, right=predicted(neighbours, side)) if uses[side] else UNUSED for side in (BEFORE, AFTER)
    )
    return MacroblockMotion(before, after)
