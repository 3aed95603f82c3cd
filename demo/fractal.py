"""Computes how fast points of a fractal escape, one tile of points at a time.

Pillow's arithmetic on float images replaces a numeric library: a tile fits the processor's cache, and a tile whose
points have all escaped ends early, so that a picture takes half a second.
"""

import cmath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from PIL import Image, ImageMath

from demo.scene import Formula, Scene

SIDE: Final = 256
"""A tile's side in points: the size of Pillow's linear gradient, which supplies the coordinates."""
ROUND: Final = 8
"""Iterations between two checks whether all points have escaped."""
FAR: Final = 1e4
"""Coordinates are limited to this, so that numbers stay finite."""
ESCAPED: Final = 16.0
"""The squared distance beyond which no point returns."""

_DOWN: Final = Image.linear_gradient("L").convert("F")
_ACROSS: Final = _DOWN.transpose(Image.Transpose.TRANSPOSE)
Operand = Any
"""Pillow's image in a formula, which has no public type."""
Point = tuple[Operand, Operand]
"""Its x and y."""


class Fields(NamedTuple):
    """The results for each point, as float images.

    ``escape`` grows smoothly with the time to escape, ``trap`` is the smallest squared distance from 0 on the way, and
    ``inside`` is 1 where the point never escaped.
    """

    escape: Image.Image
    trap: Image.Image
    inside: Image.Image


@dataclass(slots=True)
class _Orbits:
    """The current positions of one tile's points, and what each iteration adds to them."""

    x: Image.Image
    y: Image.Image
    add_x: Image.Image
    add_y: Image.Image
    distance: Image.Image
    escape: Image.Image
    trap: Image.Image

    def advance(self, formula: Formula) -> None:
        """Do a round of iterations."""
        found = ImageMath.lambda_eval(_ROUNDS[formula], **{name: getattr(self, name) for name in self.__slots__})
        self.x, self.y, self.distance, self.escape, self.trap = found


def fields(scene: Scene, size: tuple[int, int]) -> Fields:
    """Compute a scene's fields at ``size``, in points."""
    whole = Fields(*(Image.new("F", size) for _ in Fields._fields))
    across = cmath.rect(scene.width / size[0], scene.turn)
    for top in range(0, size[1], SIDE):
        for left in range(0, size[0], SIDE):
            corner = scene.centre + across * complex(left - size[0] / 2, top - size[1] / 2)
            for image, tile in zip(whole, _tile(scene, corner, across), strict=True):
                image.paste(tile, (left, top))
    return whole


def _tile(scene: Scene, corner: complex, across: complex) -> Fields:
    """Return the fields of the tile whose first point is ``corner``; ``across`` is the step to the next point right."""
    down = across * 1j
    x, y = _plane(corner.real, across.real, down.real), _plane(corner.imag, across.imag, down.imag)
    add = (x, y) if scene.constant is None else (_flat(scene.constant.real), _flat(scene.constant.imag))
    orbits = _Orbits(x, y, *add, distance=_flat(0.0), escape=_flat(0.0), trap=_flat(FAR))
    for _ in range(0, scene.iterations, ROUND):
        orbits.advance(scene.formula)
        nearest, _farthest = orbits.distance.getextrema()
        if isinstance(nearest, float) and nearest > ESCAPED:
            break
    inside = ImageMath.lambda_eval(lambda v: v["float"](v["d"] < ESCAPED), d=orbits.distance)
    return Fields(orbits.escape, orbits.trap, inside)


def _flat(value: float) -> Image.Image:
    return Image.new("F", (SIDE, SIDE), value)


def _plane(corner: float, across: float, down: float) -> Image.Image:
    return _evaluated(lambda v: v["across"] * across + v["down"] * down + corner, across=_ACROSS, down=_DOWN)


def _evaluated(expression: Callable[[dict[str, Operand]], Operand], **images: Image.Image) -> Image.Image:
    found = ImageMath.lambda_eval(expression, **images)
    assert isinstance(found, Image.Image)
    return found


def _rounds(step: Callable[..., Point]) -> Callable[[dict[str, Operand]], tuple[Image.Image, ...]]:
    """Return ``ROUND`` iterations of ``step``, which gets x, y, their squares, and what to add."""

    def iterate(v: dict[str, Operand]) -> tuple[Image.Image, ...]:
        least, most = v["min"], v["max"]
        x, y, add_x, add_y = v["x"], v["y"], v["add_x"], v["add_y"]
        distance, escape, trap = v["distance"], v["escape"], v["trap"]
        for _ in range(ROUND):
            xx, yy = x * x, y * y
            distance = xx + yy
            # About 1 for a point that stays near, soon 0 for one that escapes: the sum has no steps, unlike a count.
            escape = escape + 1.0 / (distance * 0.25 + 1.0)
            trap = least(trap, distance)
            x, y = step(x, y, xx, yy, add_x, add_y)
            x, y = most(least(x, FAR), -FAR), most(least(y, FAR), -FAR)
        return x.im, y.im, distance.im, escape.im, trap.im

    return iterate


def _quadratic(x: Operand, y: Operand, xx: Operand, yy: Operand, add_x: Operand, add_y: Operand) -> Point:
    return xx - yy + add_x, x * y * 2.0 + add_y


def _cubic(x: Operand, y: Operand, xx: Operand, yy: Operand, add_x: Operand, add_y: Operand) -> Point:
    return (xx - yy * 3.0) * x + add_x, (xx * 3.0 - yy) * y + add_y


def _burning_ship(x: Operand, y: Operand, xx: Operand, yy: Operand, add_x: Operand, add_y: Operand) -> Point:
    return xx - yy + add_x, abs(x * y) * 2.0 + add_y


_ROUNDS: Final = {
    Formula.QUADRATIC: _rounds(_quadratic),
    Formula.CUBIC: _rounds(_cubic),
    Formula.BURNING_SHIP: _rounds(_burning_ship),
}
