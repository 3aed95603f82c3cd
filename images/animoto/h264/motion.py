"""Motion: where a macroblock's pixels come from, and what a decoder assumes of it (ITU-T H.264, 8.4.1).

A motion is which list's picture a 16x16 macroblock shows, and from how far to the right. Nothing moves up or down here.
"""

from dataclasses import dataclass
from typing import NamedTuple

BEFORE, AFTER = 0, 1
"""The lists: of references that are shown before this picture, and after it; each holds one here (8.2.4.2.3)."""
FARTHEST = 8191
"""Quarters of a pixel: how far to either side a vector may point (A.3.1, horizontal range)."""


class Vector(NamedTuple):
    """Motion of one list: whether it is used, and by how many quarters of a pixel."""

    used: bool
    right: int


UNUSED = Vector(used=False, right=0)


@dataclass(frozen=True, slots=True)
class MacroblockMotion:
    """A macroblock's vectors, one a list."""

    before: Vector = UNUSED
    after: Vector = UNUSED

    def of(self, side: int) -> Vector:
        """The one of a list."""
        return self.before if side == BEFORE else self.after


def moved(side: int, pixels: int) -> MacroblockMotion:
    """What lies so many pixels further right in one of the two pictures."""
    vector = Vector(used=True, right=4 * pixels)
    return MacroblockMotion(before=vector) if side == BEFORE else MacroblockMotion(after=vector)


class Neighbours(NamedTuple):
    """The macroblocks that prediction looks at (figure 6-14); nothing where there is none."""

    left: MacroblockMotion | None
    above: MacroblockMotion | None
    corner: MacroblockMotion | None
    """Above to the right, or above to the left where there is none (8.4.1.3.2)."""

    def of(self, side: int) -> list[Vector]:
        """Their vectors in a list: 8.4.1.3."""
        left, above, corner = (UNUSED if one is None else one.of(side) for one in self)
        # In the first row, the left one stands for all three.
        return [left] * 3 if self.above is None and self.corner is None and self.left else [left, above, corner]


def predicted(neighbours: Neighbours, side: int) -> int:
    """What a vector is counted from: that of the only neighbour in the list, or the median (8.4.1.3, 8.4.1.3.1)."""
    vectors = neighbours.of(side)
    using = [vector.right for vector in vectors if vector.used]
    return using[0] if len(using) == 1 else sorted(vector.right for vector in vectors)[1]


def inherited(neighbours: Neighbours) -> MacroblockMotion:
    """What a skipped macroblock of a B slice shows: spatial direct prediction (8.4.1.2.2).

    Each list that a neighbour uses, by the predicted vector; both without motion where none uses any. That is so where
    the macroblock of the same place in the later picture is intra-coded: otherwise it could hold the vector to zero.
    """
    uses = [any(vector.used for vector in neighbours.of(side)) for side in (BEFORE, AFTER)]
    if not any(uses):
        return MacroblockMotion(Vector(used=True, right=0), Vector(used=True, right=0))
    return MacroblockMotion(
        *(Vector(True, predicted(neighbours, side)) if uses[side] else UNUSED for side in (BEFORE, AFTER))
    )  # noqa: FBT003  (used)
