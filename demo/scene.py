"""Defines which part of which fractal each of the demo's pictures shows, and in which colours."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

LANDSCAPE: Final = (2000, 1333)
PORTRAIT: Final = (1333, 2000)


class Formula(Enum):
    """The formula that is applied to a point again and again."""

    QUADRATIC = "z² + c"
    CUBIC = "z³ + c"
    BURNING_SHIP = "(|x| + i|y|)² + c"


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture. With a ``constant`` it is the Julia set of this constant, without one the set of all constants.

    ``width`` is the width of the view in the complex plane, ``turn`` its rotation in radians, and ``cycles`` how often
    the colours repeat from the outside to the edge of the set.
    """

    name: str
    palette: str
    centre: complex
    width: float
    constant: complex | None = None
    turn: float = 0.0
    cycles: float = 1.5
    formula: Formula = Formula.QUADRATIC
    iterations: int = 64
    size: tuple[int, int] = LANDSCAPE


def _mandelbrot(
    name: str, palette: str, centre: complex, width: float, cycles: float = 1.5, turn: float = 0.0
) -> Scene:
    return Scene(name, palette, centre, width, turn=turn, cycles=cycles, iterations=144)


def _julia(name: str, palette: str, constant: complex, width: float, turn: float = 0.0, cycles: float = 1.5) -> Scene:
    return Scene(name, palette, 0j, width, constant, turn, cycles)


def _tall(name: str, palette: str, constant: complex, width: float, turn: float = 0.0) -> Scene:
    return Scene(name, palette, 0j, width, constant, turn, size=PORTRAIT)


def _ship(name: str, palette: str, centre: complex, width: float, cycles: float = 1.5) -> Scene:
    return Scene(name, palette, centre, width, cycles=cycles, formula=Formula.BURNING_SHIP)


def _cubic(name: str, palette: str, constant: complex, width: float, turn: float = 0.0) -> Scene:
    return Scene(name, palette, 0j, width, constant, turn, formula=Formula.CUBIC, iterations=48)


SCENES: Final = (
    _julia("dragon", "ember", -0.8 + 0.156j, 3.2),
    _mandelbrot("seahorse-valley", "ocean", -0.7453 + 0.1127j, 0.03, turn=0.9),
    _julia("galaxies", "dusk", 0.285 + 0.01j, 2.2, turn=0.8),
    _ship("armada", "gold", -1.762 - 0.028j, 0.14),
    _julia("filigree", "frost", -0.70176 - 0.3842j, 2.6, turn=0.4),
    _tall("lanterns", "jade", 0.355 + 0.355j, 1.7, turn=0.5),
    _julia("garlands", "jade", -0.4 + 0.6j, 2.4, turn=0.2),
    _mandelbrot("spiral-arm", "ember", -0.743643 + 0.131826j, 0.012, turn=0.3),
    _cubic("trefoil", "dusk", -0.1 + 0.75j, 2.4, turn=0.1),
    _julia("waves", "gold", -0.835 - 0.2321j, 3.0),
    _mandelbrot("star-tree", "frost", -0.1011 + 0.9563j, 0.06),
    _julia("islands", "ocean", -0.7269 + 0.1889j, 2.6, turn=0.3),
    _tall("totem", "ember", -0.79 + 0.15j, 1.7, turn=1.57),
    _mandelbrot("whole", "frost", -0.65 + 0j, 3.6),
    _julia("rabbit", "gold", -0.16 + 0.70j, 2.7, turn=0.2),
    _ship("flagship", "ember", -1.94 - 0.003j, 0.02),
    _julia("lightning", "ocean", 0 + 1j, 2.8, turn=-0.6),
    _cubic("hexagons", "jade", 0.4 + 0j, 2.4, turn=0.3),
    _mandelbrot("elephant-valley", "jade", 0.2925 + 0.0149j, 0.03),
    _julia("coral", "dusk", -0.54 + 0.54j, 2.5, turn=0.4),
    _tall("curtain", "ocean", -0.194 + 0.6557j, 1.9, turn=1.2),
    _mandelbrot("needles", "gold", 0.001644 - 0.822468j, 0.05),
    _julia("snowflakes", "frost", -0.75 + 0.11j, 2.8, cycles=2.0),
    _julia("eyes", "ember", 0.32 + 0.043j, 2.0, turn=0.8),
    _mandelbrot("river-delta", "dusk", 0.292986 + 0.611785j, 0.02),
    _julia("medusa", "ocean", -0.62 + 0.43j, 2.6, turn=0.5),
    _ship("mast", "frost", -1.8610 - 0.0015j, 0.012),
    _julia("marble", "gold", -0.391 - 0.587j, 2.4, turn=0.1),
    _tall("beanstalk", "dusk", 0.3 + 0.5j, 1.8, turn=0.7),
    _cubic("clover", "frost", 0.54 + 0.2j, 2.4, turn=0.5),
    _mandelbrot("double-spiral", "gold", -0.7463 + 0.1102j, 0.006, turn=0.4),
    _julia("firebird", "ember", -0.8 + 0.18j, 2.8, turn=-0.3),
    _tall("gate", "frost", -1.25 + 0.02j, 1.9, turn=1.57),
    _julia("moss", "jade", 0.37 - 0.1j, 2.2, turn=1.1),
    _mandelbrot("crown", "dusk", -0.5622 + 0.6428j, 0.02),
    _julia("milky-way", "dusk", -0.7885 + 0.05j, 3.1, turn=0.15),
)
