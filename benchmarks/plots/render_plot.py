"""Plots CPU time and memory of each way to render a slideshow. Runs in the peers' environment, as other plots do.

python -m benchmarks.plots.render_plot docs/benchmarks/render.json docs/benchmarks
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl  # type: ignore[import-not-found]  # in the peers' own environment only

mpl.use("svg")

from matplotlib import pyplot as plt

COLOURS: Final = {"cloudkon": "#c4561f", "floor:": "#9a9a9a"}
"""Colours by the first word of a way's name; ``_OTHERS`` is that of the other ways."""
_OTHERS: Final = "#4a6d8c"
_MEBIBYTE: Final = 1024**2


def main(source: Path, target: Path) -> None:
    """Draw one bar for each way."""
    (table,) = json.loads(source.read_text(encoding="utf-8"))["tables"]
    plt.rcParams |= {"svg.hashsalt": "cloudkon", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 6), sharey=True)
    names = [one["way"] for one in table["figures"]]
    _draw(left, names, [one["cpu"] for one in table["figures"]], "{:,.1f}")
    _draw(right, names, [one["peak"] / _MEBIBYTE for one in table["figures"]], "{:,.0f}")
    left.invert_yaxis()
    left.set_xlabel("CPU s, logarithmic")
    right.set_xlabel("peak memory, MiB, logarithmic")
    plt.tight_layout()
    plt.savefig(target / "render.svg", metadata={"Date": None})


def _draw(axes: Any, names: list[str], values: list[float], text: str) -> None:  # noqa: ANN401  (matplotlib's)
    bars = axes.barh(names, values, color=[COLOURS.get(name.split()[0], _OTHERS) for name in names])
    axes.bar_label(bars, labels=[text.format(value) for value in values], padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.15)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
