"""Turns a fractal's fields into a picture, lit from the upper left like hills."""

import math
from typing import Any, Final

import pyvips
from PIL import Image

from demo.fractal import Fields

PALETTES: Final = {
    "ember": "0b0713 3b0f4f 9c1f4f f05a28 ffc15e fff3d6 8fd3d1 1d5b79",
    "ocean": "03071e 023e73 0096c7 90e0ef fefae0 f4a261 9b2226 370617",
    "dusk": "10002b 3c096c 7b2cbf e0aaff ffd6e0 ff8fa3 c9184a 590d22",
    "jade": "041a16 0b4f42 1fa37a a7e8bd fdfcdc f2c14e d1495b 3a1430",
    "gold": "0a0908 3a2410 8a5a19 e8b54a fff6d5 c9e4e7 5b8fa8 1b3a57",
    "frost": "05070f 1b2a49 3f6fa3 9fd3e6 ffffff f3d1e3 b57edc 4b2a7b",
}
"""Colours in a circle; the first one is dark."""
SHADES: Final = 4096
"""Shades of a palette: enough that no step is visible."""
GAMMA: Final = 2.2
"""Colours are mixed as linear light. Mixing encoded values would make the colours in between muddy."""
RELIEF: Final = 0.35
"""How strongly slopes are lit or shaded."""
FLATNESS: Final = 0.02
"""Slopes below about its square root count as flat."""
LIGHT: Final = (-0.6, -0.8)
"""The direction of the light: from the upper left."""
GLOW: Final = 0.42
"""How far around the palette the inside goes, from the dark start, where points come near 0."""
FALLOFF: Final = 9.0
"""How quickly this glow fades with the distance from 0."""
ENLARGE: Final = 2
"""Pixels of the picture for each point of its fields, in each direction."""

Picture = Any
"""The image of pyvips, which has no types."""


def coloured(fields: Fields, palette: str, cycles: float, size: tuple[int, int]) -> Picture:
    """Return the picture of some fields, cut to ``size`` in pixels: at most ``ENLARGE`` times the fields' size.

    The smooth fields are enlarged before they are coloured: this costs a quarter, and colours stay sharp.
    """
    escape, trap, inside = (_picture(field) for field in fields)
    shades = _shades(palette)
    low, high = escape.min(), escape.max()
    around = _enlarged((escape - low + 1).log() * (cycles / math.log1p(high - low)), size)
    outside = _shaded(around, shades) * _enlarged(_lit(escape), size)
    within = _shaded(_enlarged((trap * -FALLOFF).exp() * GLOW, size), shades)
    mask = _enlarged(inside, size).clamp(min=0, max=1)
    mixed = outside * (1 - mask) + within * mask
    return mixed.clamp(min=0, max=255).cast("uchar").copy(interpretation="srgb")


def _picture(field: Image.Image) -> Picture:
    return pyvips.Image.new_from_memory(field.tobytes(), field.width, field.height, 1, "float")


def _enlarged(field: Picture, size: tuple[int, int]) -> Picture:
    return field.resize(ENLARGE, kernel="cubic").crop(0, 0, *size)


def _shaded(around: Picture, shades: Picture) -> Picture:
    """Return the colour at each position ``around`` the palette, where 1 is the whole circle."""
    return ((around * SHADES).cast("int") % SHADES).cast("ushort").maplut(shades)


def _lit(height: Picture) -> Picture:
    """Return how bright each slope is; flat ground is 1."""
    across = height.conv(pyvips.Image.new_from_array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], scale=8))
    down = height.conv(pyvips.Image.new_from_array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], scale=8))
    steepness = (across * across + down * down + FLATNESS) ** 0.5
    return (across * LIGHT[0] + down * LIGHT[1]) / steepness * RELIEF + 1


def _shades(palette: str) -> Picture:
    """Return a palette's shades, once around the circle."""
    stops = [_linear(stop) for stop in PALETTES[palette].split()]
    values = bytearray()
    for shade in range(SHADES):
        position, between = divmod(shade * len(stops) / SHADES, 1)
        one, other = stops[int(position)], stops[(int(position) + 1) % len(stops)]
        values.extend(_encoded(a + (b - a) * between) for a, b in zip(one, other, strict=True))
    return pyvips.Image.new_from_memory(bytes(values), SHADES, 1, 3, "uchar")


def _linear(stop: str) -> list[float]:
    return [(value / 255) ** GAMMA for value in bytes.fromhex(stop)]


def _encoded(light: float) -> int:
    return round(255 * math.pow(light, 1 / GAMMA))
