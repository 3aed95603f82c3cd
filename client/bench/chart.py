"""Draws lines over a logarithmic axis as an SVG.

Three plots don't justify a plotting library that everyone who installs the client would need.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 380
LEFT, RIGHT, TOP, BOTTOM = 64, 210, 36, 48
"""Pixels around the plot; the legend is to the right of it."""
COLOURS: Final = ("#c4561f", "#4a6d8c", "#5b8c3a", "#8a5a9e", "#b08a1e", "#3a8c85")
THEIRS: Final = "#888888"


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right; ``theirs`` marks figures that others measured."""

    name: str
    points: Sequence[tuple[float, float]]
    theirs: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same axes. ``most`` fixes the largest value of the vertical axis."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    most: float | None = None

    def svg(self) -> str:
        """Return the SVG. It has its own background, so that it is readable on a dark page."""
        body = [*self._frame(), *self._ticks(), *self._drawn()]
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        style = 'font-family="sans-serif" font-size="12" fill="#222222"'
        return "\n".join([f"{head} {style}>", f"<title>{escape(self.title)}</title>", *body, "</svg>", ""])

    def _frame(self) -> Iterator[str]:
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        yield _text(LEFT, 20, self.title, weight="bold")
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, self.x_label, anchor="middle")
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield _text(14, middle, self.y_label, anchor="middle", more=f' transform="rotate(-90 14 {middle:g})"')

    def _ticks(self) -> Iterator[str]:
        for value in self._steps():
            y = self._y(value)
            yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
            yield _text(LEFT - 6, y + 4, f"{value:,g}", anchor="end")
        for value in sorted({x for line in self.lines for x, _ in line.points}):
            yield _text(self._x(value), HEIGHT - BOTTOM + 16, f"{value:,g}", anchor="middle")

    def _drawn(self) -> Iterator[str]:
        for number, line in enumerate(self.lines):
            colour = THEIRS if line.theirs else COLOURS[number % len(COLOURS)]
            dashes = ' stroke-dasharray="5 4"' if line.theirs else ""
            places = [(self._x(x), self._y(y)) for x, y in line.points]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
            for x, y in places:
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            y = TOP + 8 + 18 * number
            yield f'<rect x="{WIDTH - RIGHT + 14}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
            yield _text(WIDTH - RIGHT + 30, y, line.name)

    def _x(self, value: float) -> float:
        xs = [x for line in self.lines for x, _ in line.points]
        least, most = math.log2(min(xs)), math.log2(max(xs))
        place = (math.log2(value) - least) / (most - least) if most > least else 0.5
        return LEFT + 20 + place * (WIDTH - LEFT - RIGHT - 40)

    def _y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self._steps()[-1] * (HEIGHT - TOP - BOTTOM)

    def _steps(self) -> list[float]:
        """Return round values from 0 up to the highest point or above it."""
        highest = self.most or max(y for line in self.lines for _, y in line.points) or 1.0
        size = 10 ** math.floor(math.log10(highest))
        step = next(size * factor for factor in (0.2, 0.25, 0.5, 1.0, 2.0) if size * factor * 5 >= highest)
        return [step * number for number in range(math.ceil(highest / step) + 1)]


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"{more}'
    return f"<text {place}>{escape(text)}</text>"
