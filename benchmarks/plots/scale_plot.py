"""Plots efficiency and throughput by the number of workers. Runs in the peers' environment, as other plots do.

python -m benchmarks.plots.scale_plot docs/benchmarks/scale.json docs/benchmarks
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl  # type: ignore[import-not-found]  # in the peers' own environment only

mpl.use("svg")

from matplotlib import pyplot as plt

STYLES: Final = ("-", ":")
"""The line styles of chunks and of single tasks."""


def main(source: Path, target: Path) -> None:
    """Draw both tables into one figure."""
    tables = json.loads(source.read_text(encoding="utf-8"))["tables"]
    plt.rcParams |= {"svg.hashsalt": "cloudkon", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    lengths = sorted({one["milliseconds"] for table in tables for one in table["figures"]})
    colours = {milliseconds: f"C{number}" for number, milliseconds in enumerate(lengths)}
    for table, style in zip(tables, STYLES, strict=True):
        _draw(left, table["figures"], "efficiency", 100, style, colours)
        _draw(right, table["figures"], "tasks_per_second", 1, style, colours)
    left.set_ylabel("efficiency, %; dotted: one task a message")
    right.set_ylabel("tasks/s")
    right.set_yscale("log")
    left.legend(frameon=False, title="ms a task")
    plt.tight_layout()
    plt.savefig(target / "scale.svg", metadata={"Date": None})


def _draw(
    axes: Any,  # noqa: ANN401  (matplotlib's, which mypy doesn't see)
    figures: list[dict[str, Any]],
    what: str,
    factor: float,
    style: str,
    colours: dict[int, str],
) -> None:
    for milliseconds, colour in colours.items():
        own = [one for one in figures if one["milliseconds"] == milliseconds]
        label = f"{milliseconds:,}" if style == STYLES[0] else None
        values = [factor * one[what] for one in own]
        axes.plot([one["workers"] for one in own], values, style, marker="o", color=colour, label=label)
    workers = sorted({one["workers"] for one in figures})
    axes.set_xscale("log", base=2)
    axes.set_xticks(workers, [f"{count:,}" for count in workers])
    axes.set_xlabel("workers")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
