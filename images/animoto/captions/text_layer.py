"""Draws titles and captions as layers: how much of a picture's light they keep, and how much they add."""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, floor
from pathlib import Path
from typing import NamedTuple, Self

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

FONT = Path(__file__).parents[1] / "fonts" / "DejaVuSansCondensed-Bold.ttf"
_SMALLEST = 6
"""Pixels. Letters of this size are unreadable anyway, so they shrink no further."""
_SHRINK = 0.92
_LEADING = 1.3
"""Distance between lines, in letter sizes."""
_FOOT_SHADE = 140
"""Of 255: how much light the shade at the film's foot removes where it is deepest."""
_MIDDLE_SHADE = 170
"""Of 255: how much light the shade around letters would remove without soft edges; with them it is two thirds."""
_SHADOW = 210
"""Of 255: how much light the letters' own shadow removes."""
_MARGIN = 0.055
"""Space below a caption, as a part of the film's shorter side."""
_NARROWER = 0.97


class TextPlace(NamedTuple):
    """Where a text is drawn.

    Lengths are parts of the film's shorter side, except where noted.
    """

    size: float
    """Size of the letters."""
    widest: float
    """Greatest width of a line, as a part of the film's width."""
    tallest: float
    """Greatest height of all lines, as a part of the film's height: the letters shrink until they fit."""
    reach: float
    """How far the shade reaches beyond the letters, in letter sizes: far enough that its beginning is not visible."""
    at_foot: bool


TITLE = TextPlace(size=0.095, widest=0.82, tallest=0.5, reach=3.2, at_foot=False)
CAPTION = TextPlace(size=0.046, widest=0.86, tallest=0.4, reach=4.0, at_foot=True)


@dataclass(frozen=True, slots=True)
class TextLayer:
    """One text, as the rows of a film that it changes, over the film's whole width."""

    top: int
    """The first of these rows."""
    keep: Image.Image
    """How much of the picture's light is kept, of 255."""
    light: Image.Image
    """The light that is added to that."""

    @classmethod
    def of(cls, text: str, place: TextPlace, width: int, height: int) -> Self:
        """Draw white letters with a soft shadow on a shade without edges: readable on snow and on leaves."""
        font, lines = _fitted(text, place, width, height)
        tall = font.size * _LEADING * len(lines)
        under = _MARGIN * min(width, height) if place.at_foot else (height - tall) / 2
        first = height - tall - under
        top = max(0, floor(first - place.reach * font.size))
        bottom = height if place.at_foot else min(height, ceil(first + tall + place.reach * font.size))
        letters = _drawn(lines, font, (width, bottom - top), first - top)
        keep = Image.new("L", letters.size, 255)
        if place.at_foot:
            shade = _gradient_shade(letters, max(1.0, first - top + font.size / 2))
        else:
            shade = _halo_shade(letters, font.size)
        for taken in (shade, _shadow(letters, font.size), letters):
            keep = ImageChops.multiply(keep, ImageChops.invert(taken))
        return cls(top, keep, letters)

    def write(self, picture: Image.Image) -> None:
        """Draw the text on a picture as large as the film."""
        rows = picture.crop((0, self.top, picture.width, self.top + self.keep.height))
        dimmed = ImageChops.multiply(rows, Image.merge("RGB", [self.keep] * 3))
        picture.paste(ImageChops.add(dimmed, Image.merge("RGB", [self.light] * 3)), (0, self.top))


def text_layers(title: str, caption: str, width: int, height: int) -> tuple[TextLayer, ...]:
    """Return layers for the title in the middle and the caption at the foot, for those that are not empty."""
    texts = ((title, TITLE), (caption, CAPTION))
    return tuple(TextLayer.of(text, place, width, height) for text, place in texts if text)


def merge_layers(texts: Iterable[TextLayer], width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """Return how much of a whole film's light several texts keep together, and how much they add."""
    keep, light = Image.new("L", (width, height), 255), Image.new("L", (width, height))
    for text in texts:
        rows = (0, text.top, width, text.top + text.keep.height)
        keep.paste(ImageChops.multiply(keep.crop(rows), text.keep), rows)
        light.paste(ImageChops.add(ImageChops.multiply(light.crop(rows), text.keep), text.light), rows)
    return keep, light


def draw_texts(picture: bytes | memoryview, texts: Sequence[TextLayer], width: int, height: int) -> bytes | memoryview:
    """Return the picture with the texts drawn on it."""
    if not texts:
        return picture
    image = Image.frombytes("RGB", (width, height), picture)
    for text in texts:
        text.write(image)
    return image.tobytes()


def _drawn(lines: Sequence[str], font: ImageFont.FreeTypeFont, size: tuple[int, int], first: float) -> Image.Image:
    letters = Image.new("L", size)
    draw = ImageDraw.Draw(letters)
    for number, line in enumerate(lines):
        middle = first + (number + 0.5) * font.size * _LEADING
        draw.text((size[0] / 2, middle), line, fill=255, font=font, anchor="mm")
    return letters


def _shadow(letters: Image.Image, size: float) -> Image.Image:
    """Return a soft shadow a little below the letters."""
    lower = ImageChops.offset(letters, 0, max(1, round(size * 0.04)))
    return lower.filter(ImageFilter.GaussianBlur(size * 0.09)).point(lambda value: min(_SHADOW, value * 2))


def _gradient_shade(letters: Image.Image, full: float) -> Image.Image:
    """Return a shade that deepens down to the row ``full`` and stays as deep down to the foot."""
    column = bytes(round(_FOOT_SHADE * _smoothstep(row / full)) for row in range(letters.height))
    return Image.frombytes("L", (1, letters.height), column).resize(letters.size, Image.Resampling.NEAREST)


def _halo_shade(letters: Image.Image, size: float) -> Image.Image:
    """Return a soft shade around letters in the middle of a film."""
    left, top, right, bottom = letters.getbbox() or (0, 0, 0, 0)
    shade = Image.new("L", letters.size)
    around = round(size * 0.5)
    shade.paste(_MIDDLE_SHADE, (left - around, top - around, right + around, bottom + around))
    return shade.filter(ImageFilter.GaussianBlur(size * 1.1))


def _smoothstep(part: float) -> float:
    """Ease from 0 to 1 with a slope of 0 at both ends, so that no edge is visible."""
    part = min(1.0, part)
    return part * part * (3 - 2 * part)


def _fitted(text: str, place: TextPlace, width: int, height: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """Return the largest font, up to the place's size, in which the text fits, and the text's lines."""
    size = place.size * min(width, height)
    parts = [part.strip() for part in text.split("\n")]
    widest = place.widest * width
    while True:
        font = _font(max(_SMALLEST, round(size)))
        lines = sum(len(list(_wrapped(part, font, widest))) for part in parts)
        if lines * font.size * _LEADING <= place.tallest * height or font.size <= _SMALLEST:
            return font, [line for part in parts for line in _balanced(part, font, widest)]
        size *= _SHRINK


def _balanced(text: str, font: ImageFont.FreeTypeFont, widest: float) -> list[str]:
    """Break the text into as few lines as possible, of similar length: the last line is not a single word."""
    lines = list(_wrapped(text, font, widest))
    while len(lines) > 1 and widest > font.size:
        widest *= _NARROWER
        narrower = list(_wrapped(text, font, widest))
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _wrapped(text: str, font: ImageFont.FreeTypeFont, widest: float) -> Iterator[str]:
    """Yield lines of at most that width, broken between words, or within a word that is too wide by itself."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= widest:
            line = longer
            continue
        if line:
            yield line
        line = word
        while font.getlength(line) > widest and len(line) > 1:
            fits = max(1, bisect(range(1, len(line)), widest, key=lambda count: font.getlength(line[:count])))
            yield line[:fits]
            line = line[fits:]
    yield line


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The basic layout needs no library that a wheel may lack, so the same text makes the same pixels everywhere.
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)
