"""Computes where the seam of a wipe or a push is in each frame.

The seam moves by whole macroblocks, so that no pixel needs to be coded. In films of 1080p that is 16 of 1920 pixels:
with half a second of 30 frames it moves by 128 pixels a frame anyway.
"""

from typing import NamedTuple

from cloudkon.instructions.animoto import Transition

from ..h264.sps import MACROBLOCK
from .film import Film
from .plan import Blend


class Seam(NamedTuple):
    """Two pictures side by side: ``left`` pixels of the first, and next to them the second.

    The first picture is shown from its column ``left_from`` on, the second from its column ``right_from`` on.
    """

    left: int
    after_is_left: bool
    left_from: int
    right_from: int


def seam_at(blend: Blend, number: int, film: Film) -> Seam:
    """Return the seam of a wipe's or a push's frame (from 0)."""
    columns = -(-film.width // MACROBLOCK)
    gone = round(blend.share(number) * columns)
    if blend.kind is Transition.WIPE:
        left = min(film.width, gone * MACROBLOCK)
        return Seam(left, after_is_left=True, left_from=0, right_from=left)
    left = min(film.width, (columns - gone) * MACROBLOCK)
    return Seam(left, after_is_left=False, left_from=film.width - left, right_from=0)
