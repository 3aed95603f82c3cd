"""Holds pictures and frames as one plane of brightness and two of colour, and cuts windows out of them.

Pillow resamples a window whose edges are anywhere between pixels: that makes slow motion smooth. ffmpeg's own zoompan
moves by whole pixels, on average 0.6 pixels off the right place; its perspective filter takes twice as long as this.
"""

from typing import NamedTuple, Self

from PIL import Image

from ..timeline.film import Film, Pixels
from ..timeline.move import Window
from ..timeline.plan import Colour
from ..timeline.wipe_geometry import Seam

_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
"""Weights for brightness (ITU-R BT.709, 3.2)."""
_LUMA, _CHROMA = 219 / 255, 224 / 255
"""Steps of limited range for one step of full range (BT.709, 4.6)."""
_TO_BLUE, _TO_RED = _CHROMA / (2 * (1 - _BLUE)), _CHROMA / (2 * (1 - _RED))
_MATRIX = (
    *(_LUMA * _RED, _LUMA * _GREEN, _LUMA * _BLUE, 16),
    *(-_TO_BLUE * _RED, -_TO_BLUE * _GREEN, _TO_BLUE * (1 - _BLUE), 128),
    *(_TO_RED * (1 - _RED), -_TO_RED * _GREEN, -_TO_RED * _BLUE, 128),
)
"""The matrix from R, G and B to Y, Cb and Cr."""
_UNSEEN = 2
"""Pixels along a picture's edges, about, that are never shown: a window's colours begin a little outside it."""


class Planes(NamedTuple):
    """Y, Cb and Cr of 8 bits; Cb and Cr have every second sample.

    In a frame these samples lie on the left one of two pixels, as in H.264 (figure E-1); in a picture, in the middle of
    four.
    """

    luma: Image.Image
    blue: Image.Image
    red: Image.Image

    @classmethod
    def of(cls, pixels: Pixels, canvas: Film) -> Self:
        """Convert a normalised picture of ``canvas.picture_bytes`` bytes."""
        image = Image.frombytes("RGB", (canvas.width, canvas.height), pixels)
        luma, *colours = image.convert("RGB", _MATRIX).split()
        half = -(-canvas.width // 2), -(-canvas.height // 2)
        return cls(luma, *(colour.resize(half, Image.Resampling.BOX) for colour in colours))

    @classmethod
    def flat(cls, colour: Colour, film: Film) -> Self:
        """Return a frame of one colour."""
        one = cls.of(bytes(colour.value), Film(1, 1, film.fps))
        half = film.width // 2, film.height // 2
        return cls(
            *(part.resize(size) for part, size in zip(one, ((film.width, film.height), half, half), strict=True))
        )

    def seen(self, window: Window, film: Film) -> Self:
        """Return a frame of the film that shows a window of this picture."""
        left, top, side = within(window, film)
        # A colour sample lies on the left one of two pixels: half a pixel of the frame away from their middle.
        colours = Window(left - side / film.width / 2, top, side)
        half = film.width // 2, film.height // 2
        return type(self)(
            _seen(self.luma, Window(left, top, side), (film.width, film.height)),
            _seen(self.blue, colours, half),
            _seen(self.red, colours, half),
        )

    def mixed(self, other: Self, share: float) -> Self:
        """Blend ``share`` (0 to 1) of another frame into this one."""
        pairs = zip(self, other, strict=True)
        return type(self)(
            *(Image.composite(new, old, Image.new("L", old.size, round(255 * share))) for old, new in pairs)
        )

    def beside(self, right: Self, seam: Seam) -> Self:
        """Return a frame with this one on the left of a seam and another one on its right."""
        joined = []
        for one, other in zip(self, right, strict=True):
            scale = self.luma.width // one.width
            left = seam.left // scale
            whole = Image.new("L", one.size)
            whole.paste(one.crop((seam.left_from // scale, 0, seam.left_from // scale + left, one.height)), (0, 0))
            begin = seam.right_from // scale
            whole.paste(other.crop((begin, 0, begin + one.width - left, one.height)), (left, 0))
            joined.append(whole)
        return type(self)(*joined)

    def to_bytes(self) -> bytes:
        """Return the planes one after another, rows from the top."""
        return b"".join(plane.tobytes() for plane in self)


def within(window: Window, film: Film) -> Window:
    """Return what is seen of a picture through a camera's window: a little less, because of the edges."""
    unseen = _UNSEEN / film.width
    shown = 1 - 2 * unseen
    return Window(unseen + shown * window.left, unseen + shown * window.top, shown * window.side)


def _seen(plane: Image.Image, window: Window, size: tuple[int, int]) -> Image.Image:
    right, bottom = window.left + window.side, window.top + window.side
    box = window.left * plane.width, window.top * plane.height, right * plane.width, bottom * plane.height
    return plane.resize(size, Image.Resampling.BICUBIC, box)
