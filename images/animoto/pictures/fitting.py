"""Places a picture on a film's canvas: with bars, cropped, or in front of a blurred backdrop."""

from math import ceil

import pyvips

from cloudkon.instructions.animoto import Fit

from ..timeline.film import Film
from .colour import BACKGROUND

_BLURRED_SIDE = 90
"""Pixels of a backdrop's shorter side while it is blurred."""
_BLUR = 3.0
"""Standard deviation in those pixels: a thirtieth of that side."""
_DIMMED = 0.55
"""Part of a backdrop's brightness that is kept, so that the picture in front draws the eye."""

_SHADOW = 0.7
"""Part of the backdrop's light that the picture's shadow removes; at the shadow's edge it is half of that."""
_SHADOW_BLUR = 1.8
"""Standard deviation in the backdrop's pixels."""


def place_on_canvas(picture: pyvips.Image, film: Film, fit: Fit) -> pyvips.Image:
    """Return an image as large as the film, with the picture in the middle."""
    if fit is not Fit.BLUR or (picture.width, picture.height) == (film.width, film.height):
        return picture.gravity("centre", film.width, film.height, background=BACKGROUND)
    picture = picture.copy_memory()  # it is read twice, and a file yields its pixels only once
    place = (film.width - picture.width) // 2, (film.height - picture.height) // 2
    return _backdrop(picture, film).insert(picture, *place)


def crop_to_shape(picture: pyvips.Image, film: Film) -> pyvips.Image:
    """Crop the picture's middle to the film's shape.

    This comes before enlarging: to enlarge a picture that is one pixel high as a whole would take minutes.
    """
    width = min(picture.width, ceil(picture.height * film.width / film.height))
    height = min(picture.height, ceil(picture.width * film.height / film.width))
    return picture.crop((picture.width - width) // 2, (picture.height - height) // 2, width, height)


def _backdrop(picture: pyvips.Image, film: Film) -> pyvips.Image:
    """Return the picture's middle over the whole film, out of focus and darker.

    It is blurred at a small size: that takes a hundredth of the time, and enlarging it smooths it once more.
    """
    shrink = max(1.0, min(film.width, film.height) / _BLURRED_SIDE)
    width, height = ceil(film.width / shrink), ceil(film.height / shrink)
    small = crop_to_shape(picture, film).thumbnail_image(width, height=height, size="force").copy_memory()
    margin = ceil(3 * _BLUR)
    blurred = small.embed(margin, margin, width + 2 * margin, height + 2 * margin, extend="mirror").gaussblur(_BLUR)
    dark = blurred.crop(margin, margin, width, height) * (_shadow(picture, width, height, shrink) * _DIMMED)
    large = dark.resize(film.width / width, vscale=film.height / height, kernel="cubic")
    return large.gravity("centre", film.width, film.height, extend="copy").cast("uchar")


def _shadow(picture: pyvips.Image, width: int, height: int, shrink: float) -> pyvips.Image:
    """Return the part of the backdrop's light that stays around the picture's soft shadow; 1 is all of it."""
    sides = (width, picture.width), (height, picture.height)
    across, down = (min(most, max(1, round(side / shrink))) for most, side in sides)
    mask = (pyvips.Image.black(across, down) + 1).embed((width - across) // 2, (height - down) // 2, width, height)
    return mask.cast("float").gaussblur(_SHADOW_BLUR).linear(-_SHADOW, 1)
