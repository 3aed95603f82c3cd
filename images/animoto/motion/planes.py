"""Planes: pictures and frames as brightness and two colours, and windows of them taken to a fraction of a pixel.

Pillow resamples a window whose edges lie anywhere: that is what makes slow motion smooth. ffmpeg's own zoompan moves by
whole pixels, 0.6 of them beside where they should be on average; its perspective filter takes twice the time of this.
"""

from typing import NamedTuple, Self

from PIL import Image

from ..timeline.film import Film, Pixels
from ..timeline.move import Window
from ..timeline.plan import Colour
from ..timeline.wipe_geometry import Seam

_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
"""Of brightness (ITU-R BT.709, 3.2)."""
_LUMA, _CHROMA = 219 / 255, 224 / 255
"""Steps of limited range a step of full range (BT.709, 4.6)."""
_TO_BLUE, _TO_RED = _CHROMA / (2 * (1 - _BLUE)), _CHROMA / (2 * (1 - _RED))
_MATRIX = (
    *(_LUMA * _RED, _LUMA * _GREEN, _LUMA * _BLUE, 16),
    *(-_TO_BLUE * _RED, -_TO_BLUE * _GREEN, _TO_BLUE * (1 - _BLUE), 128),
    *(_TO_RED * (1 - _RED), -_TO_RED * _GREEN, -_TO_RED * _BLUE, 128),
)
"""From R, G and B to Y, Cb and Cr."""
_UNSEEN = 2
"""Pixels of a picture, about, that are never seen along its edges: a window's colours begin a little ahead of it."""


class Planes(NamedTuple):
    """Y, Cb and Cr of 8 bits, and of the latter every second one: of a frame to the left, as in H.264 (figure E-1).

    Of a picture they are those in the middle of four pixels.
    """

    luma: Image.Image
    blue: Image.Image
    red: Image.Image

    @classmethod
    def of(cls, pixels: Pixels, canvas: Film) -> Self:
        """A normalised picture, of ``canvas.picture_bytes``."""
        image = Image.frombytes("RGB", (canvas.width, canvas.height), pixels)
        luma, *colours = image.convert("RGB", _MATRIX).split()
        half = -(-canvas.width // 2), -(-canvas.height // 2)
        return cls(luma, *(colour.resize(half, Image.Resampling.BOX) for colour in colours))

    @classmethod
    def flat(cls, colour: Colour, film: Film) -> Self:
        """A frame of one colour."""
        one = cls.of(bytes(colour.value), Film(1, 1, film.fps))
        half = film.width // 2, film.height // 2
        return cls(
            *(part.resize(size) for part, size in zip(one, ((film.width, film.height), half, half), strict=True))
        )

    def seen(self, window: Window, film: Film) -> Self:
        """A frame of the film that shows a window of this picture."""
        left, top, side = within(window, film)
        # A colour lies beside the left one of two pixels: half a pixel of the frame away from their middle.
        colours = Window(left - side / film.width / 2, top, side)
        half = film.width // 2, film.height // 2
        return type(self)(
            _seen(self.luma, Window(left, top, side), (film.width, film.height)),
            _seen(self.blue, colours, half),
            _seen(self.red, colours, half),
        )

    def mixed(self, other: Self, share: float) -> Self:
        """So much of another frame, 0 to 1, and the rest of this."""
        pairs = zip(self, other, strict=True)
        return type(self)(
            *(Image.composite(new, old, Image.new("L", old.size, round(255 * share))) for old, new in pairs)
        )

    def beside(self, right: Self, cut: Seam) -> Self:
        """A frame with this one on the left of a seam, and another on its right."""
        joined = []
        for one, other in zip(self, right, strict=True):
            scale = self.luma.width // one.width
            left = cut.left // scale
            whole = Image.new("L", one.size)
            whole.paste(one.crop((cut.left_from // scale, 0, cut.left_from // scale + left, one.height)), (0, 0))
            begin = cut.right_from // scale
            whole.paste(other.crop((begin, 0, begin + one.width - left, one.height)), (left, 0))
            joined.append(whole)
        return type(self)(*joined)

    def to_bytes(self) -> bytes:
        """Plane behind plane, rows from the top."""
        return b"".join(plane.tobytes() for plane in self)


def within(window: Window, film: Film) -> Window:
    """What is seen of a picture where a camera's window is so: a little less, for the edges' sake."""
    unseen = _UNSEEN / film.width
    shown = 1 - 2 * unseen
    return Window(unseen + shown * window.left, unseen + shown * window.top, shown * window.side)


def _seen(plane: Image.Image, window: Window, size: tuple[int, int]) -> Image.Image:
    right, bottom = window.left + window.side, window.top + window.side
    box = window.left * plane.width, window.top * plane.height, right * plane.width, bottom * plane.height
    return plane.resize(size, Image.Resampling.BICUBIC, box)
