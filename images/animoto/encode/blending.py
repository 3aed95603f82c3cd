"""Computes the frames between two pictures, as pixels."""

import pyvips

from cloudkon.instructions.animoto import Transition

from ..timeline.film import CHANNELS, Film, Pixels
from ..timeline.plan import Blend, Colour
from ..timeline.wipe_geometry import seam_at


def flat(colour: Colour, film: Film) -> bytes:
    """Return a normalised picture of one colour."""
    return bytes(colour.value) * (film.width * film.height)


def blended(blend: Blend, number: int, film: Film, before: Pixels, after: Pixels) -> bytes:
    """Return the blend's frame of that number (from 0), from its two normalised pictures."""
    old, new = _image(before, film), _image(after, film)
    if blend.kind is Transition.CROSSFADE:
        share = float(blend.share(number))
        mixed = (old * (1 - share) + new * share).rint()
    else:
        seam = seam_at(blend, number, film)
        first, second = (new, old) if seam.after_is_left else (old, new)
        mixed = _side_by_side(first, second, seam.left, seam.left_from, seam.right_from)
    return bytes(mixed.cast("uchar").write_to_memory())


def _side_by_side(
    first: pyvips.Image, second: pyvips.Image, left: int, left_from: int, right_from: int
) -> pyvips.Image:
    width, height = first.width, first.height
    if left in (0, width):  # libvips does not crop to a picture without pixels
        return first if left else second
    one = first.crop(left_from, 0, left, height)
    return one.join(second.crop(right_from, 0, width - left, height), "horizontal")


def _image(picture: Pixels, film: Film) -> pyvips.Image:
    return pyvips.Image.new_from_memory(picture, film.width, film.height, CHANNELS, "uchar")
