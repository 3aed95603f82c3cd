"""Lettering: titles and captions, as what they do to a picture's light."""

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
"""Pixels of a letter below which nothing shrinks any more: nobody reads it anyway."""
_SHRINK = 0.92
_LEADING = 1.3
"""From line to line, in sizes of the letters."""
_DUSK = 140
"""Of 255: how much light the shade at a film's foot takes where it is deepest."""
_CLOUD = 170
"""Of 255: how much light the shade around letters would take if it had no soft edges; with them it is two thirds."""
_SHADOW = 210
"""Of 255: how much light the letters' own shadow takes."""
_MARGIN = 0.055
"""Below a caption, as a part of the film's shorter side."""
_NARROWER = 0.97


class Place(NamedTuple):
    """Where a text stands. Everything is a part of the film's shorter side, but ``tallest``, which is of its height."""

    size: float
    """Of the letters."""
    widest: float
    """Of a line, as a part of the film's width."""
    tallest: float
    """Of all lines: the letters shrink until they fit."""
    reach: float
    """Sizes of the letters by which their shade goes beyond them: so far that nobody sees where it begins."""
    at_foot: bool


TITLE = Place(size=0.095, widest=0.82, tallest=0.5, reach=3.2, at_foot=False)
CAPTION = Place(size=0.046, widest=0.86, tallest=0.4, reach=4.0, at_foot=True)


@dataclass(frozen=True, slots=True)
class TextLayer:
    """One text, in those rows of a film, over all its width, in which it changes anything."""

    top: int
    """The first row."""
    keep: Image.Image
    """What is left of the picture's light, of 255."""
    light: Image.Image
    """The light that is added to that."""

    @classmethod
    def of(cls, text: str, place: Place, width: int, height: int) -> Self:
        """White letters with a soft shadow, before a shade without edges: readable on snow, and on leaves."""
        font, lines = _fitted(text, place, width, height)
        tall = font.size * _LEADING * len(lines)
        under = _MARGIN * min(width, height) if place.at_foot else (height - tall) / 2
        first = height - tall - under
        top = max(0, floor(first - place.reach * font.size))
        bottom = height if place.at_foot else min(height, ceil(first + tall + place.reach * font.size))
        texts = _drawn(lines, font, (width, bottom - top), first - top)
        keep = Image.new("L", texts.size, 255)
        shade = _dusk(texts, max(1.0, first - top + font.size / 2)) if place.at_foot else _cloud(texts, font.size)
        for taken in (shade, _shadow(texts, font.size), texts):
            keep = ImageChops.multiply(keep, ImageChops.invert(taken))
        return cls(top, keep, texts)

    def write(self, picture: Image.Image) -> None:
        """Put it on a picture as large as the film."""
        rows = picture.crop((0, self.top, picture.width, self.top + self.keep.height))
        dimmed = ImageChops.multiply(rows, Image.merge("RGB", [self.keep] * 3))
        picture.paste(ImageChops.add(dimmed, Image.merge("RGB", [self.light] * 3)), (0, self.top))


def text_layers(title: str, caption: str, width: int, height: int) -> tuple[TextLayer, ...]:
    """Of a title in the middle and a caption at the foot those that are not empty, for a film of that size."""
    texts = ((title, TITLE), (caption, CAPTION))
    return tuple(TextLayer.of(text, place, width, height) for text, place in texts if text)


def merge_layers(texts: Iterable[TextLayer], width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """What several texts keep of a whole film's light, and what they add, one before the other."""
    keep, light = Image.new("L", (width, height), 255), Image.new("L", (width, height))
    for text in texts:
        rows = (0, text.top, width, text.top + text.keep.height)
        keep.paste(ImageChops.multiply(keep.crop(rows), text.keep), rows)
        light.paste(ImageChops.add(ImageChops.multiply(light.crop(rows), text.keep), text.light), rows)
    return keep, light


def draw_texts(picture: bytes | memoryview, texts: Sequence[TextLayer], width: int, height: int) -> bytes | memoryview:
    """A picture of as many pixels with texts on it."""
    if not texts:
        return picture
    image = Image.frombytes("RGB", (width, height), picture)
    for text in texts:
        text.write(image)
    return image.tobytes()


def _drawn(lines: Sequence[str], font: ImageFont.FreeTypeFont, size: tuple[int, int], first: float) -> Image.Image:
    texts = Image.new("L", size)
    draw = ImageDraw.Draw(texts)
    for number, line in enumerate(lines):
        middle = first + (number + 0.5) * font.size * _LEADING
        draw.text((size[0] / 2, middle), line, fill=255, font=font, anchor="mm")
    return texts


def _shadow(texts: Image.Image, size: float) -> Image.Image:
    """A little below the letters."""
    lower = ImageChops.offset(texts, 0, max(1, round(size * 0.04)))
    return lower.filter(ImageFilter.GaussianBlur(size * 0.09)).point(lambda value: min(_SHADOW, value * 2))


def _dusk(texts: Image.Image, full: float) -> Image.Image:
    """A shade that deepens evenly down to the row ``full``, and stays so to the foot."""
    column = bytes(round(_DUSK * _eased(row / full)) for row in range(texts.height))
    return Image.frombytes("L", (1, texts.height), column).resize(texts.size, Image.Resampling.NEAREST)


def _cloud(texts: Image.Image, size: float) -> Image.Image:
    """A shade around letters in the middle of a film."""
    left, top, right, bottom = texts.getbbox() or (0, 0, 0, 0)
    cloud = Image.new("L", texts.size)
    around = round(size * 0.5)
    cloud.paste(_CLOUD, (left - around, top - around, right + around, bottom + around))
    return cloud.filter(ImageFilter.GaussianBlur(size * 1.1))


def _eased(part: float) -> float:
    """From 0 to 1 along a half of a wave, so that no edge is seen."""
    part = min(1.0, part)
    return part * part * (3 - 2 * part)


def _fitted(text: str, place: Place, width: int, height: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest letters, up to the place's own, in which the text fits, and its lines."""
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
    """As few lines as fit, of about one length: no last line of one word."""
    lines = list(_wrapped(text, font, widest))
    while len(lines) > 1 and widest > font.size:
        widest *= _NARROWER
        narrower = list(_wrapped(text, font, widest))
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _wrapped(text: str, font: ImageFont.FreeTypeFont, widest: float) -> Iterator[str]:
    """Lines no wider than that, broken between words, and within a word that is wider by itself."""
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
    # The plain layout needs no library that wheels may have or lack, so that the same text makes the same pixels.
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)
