"""Draws titles and captions that stay in place in front of a picture that moves."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from PIL import Image, ImageChops

from ..captions.text_layer import TextLayer, merge_layers
from ..timeline.film import Film
from .planes import Planes

_BLACK, _GREY = 16, 128
"""Black in Y, and no colour in Cb and Cr."""
_WHITE = 219
"""Steps from black to white, in Y."""


class TextOverlay(NamedTuple):
    """How much frames keep of their own values, of 255, and what is added; both are as large as the film."""

    keep: Planes
    add: Planes

    @classmethod
    def of(cls, texts: Sequence[TextLayer], film: Film) -> Self | None:
        """Return the overlay of the texts, if there are any."""
        if not texts:
            return None
        keep, light = merge_layers(texts, film.width, film.height)
        half = film.width // 2, film.height // 2
        less = keep.resize(half, Image.Resampling.BOX)
        white = light.point([round(value * _WHITE / 255) for value in range(256)])
        grey = _instead(less, _GREY)
        return cls(Planes(keep, less, less), Planes(ImageChops.add(_instead(keep, _BLACK), white), grey, grey))

    def on(self, frame: Planes) -> Planes:
        """Return the frame with the texts on it."""
        parts = zip(frame, self.keep, self.add, strict=True)
        return Planes(*(ImageChops.add(ImageChops.multiply(one, keep), add) for one, keep, add in parts))


def _instead(keep: Image.Image, value: int) -> Image.Image:
    """Return the part of ``value`` that replaces what the frame loses."""
    return keep.point([round((255 - kept) * value / 255) for kept in range(256)])
