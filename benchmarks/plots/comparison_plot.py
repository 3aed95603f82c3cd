"""Plots the comparison's figures as SVG files. Runs in the peers' environment, which has matplotlib.

python -m benchmarks.plots.comparison_plot docs/benchmarks/comparison.json docs/benchmarks
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl  # type: ignore[import-not-found]  # in the peers' own environment only

mpl.use("svg")

from matplotlib import pyplot as plt

Figures = dict[str, Any]
OURS: Final = "#c4561f"
THEIRS: Final = "#4a6d8c"
_SIZE: Final = (8, 3.6)


def main(source: Path, target: Path) -> None:
    """Draw every plot of the report."""
    figures = [one for table in json.loads(source.read_text(encoding="utf-8"))["tables"] for one in table["figures"]]
    # Random ids and a date would change the files each time they are drawn.
    plt.rcParams |= {"svg.hashsalt": "cloudkon", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    for name, draw in (
        ("throughput", _throughput),
        ("efficiency", _efficiency),
        ("latency", _latency),
        ("cost", _cost),
    ):
        draw(figures)
        plt.tight_layout()
        plt.savefig(target / f"{name}.svg", metadata={"Date": None})
        plt.close()


def _throughput(figures: list[Figures]) -> None:
    _, axes = plt.subplots(figsize=_SIZE)
    _bars(axes, _of_kind(figures, "throughput"), lambda one: one["tasks_per_second"], "{:,.0f}")
    axes.set_xlabel("tasks/s of sleep 0, one worker, logarithmic")


def _efficiency(figures: list[Figures]) -> None:
    _, axes = plt.subplots(figsize=(8, 4.2))
    found = _of_kind(figures, "efficiency")
    for system in dict.fromkeys(one["system"] for one in found):
        own = [one for one in found if one["system"] == system]
        ours = system.startswith("CloudKon")
        axes.plot(
            [one["milliseconds"] for one in own],
            [100 * one["efficiency"] for one in own],
            marker="o",
            linewidth=2.2 if ours else 1.2,
            color=OURS if ours else None,
            linestyle="--" if system == "CloudKon" else "-",
            label=system,
        )
    axes.set_xscale("log")
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    axes.set_ylim(0, 101)
    axes.set_xlabel("milliseconds a task, logarithmic")
    axes.set_ylabel("efficiency of a slot, %")
    axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0))


def _latency(figures: list[Figures]) -> None:
    _, axes = plt.subplots(figsize=_SIZE)
    found = [one for one in _of_kind(figures, "low load") if "wait_p50_ms" in one]
    _bars(axes, found, lambda one: one["wait_p99_ms"], "p99 {:,.0f}", faint=True)
    _bars(axes, found, lambda one: one["wait_p50_ms"], "")
    axes.set_xlabel("milliseconds from push to start at low load: p50 (dark), p99 (faint), logarithmic")


def _cost(figures: list[Figures]) -> None:
    _, (left, right) = plt.subplots(1, 2, figsize=_SIZE, sharey=True)
    found = _of_kind(figures, "throughput")
    _bars(left, found, lambda one: one["cpu_ms_a_task"], "{:.2f}")
    left.set_xlabel("CPU ms a task, logarithmic")
    _bars(right, found, lambda one: one["dollars_a_million"], "{:.2f}")
    right.set_xlabel("AWS dollars a million tasks, logarithmic")


def _of_kind(figures: list[Figures], kind: str) -> list[Figures]:
    return [one for one in figures if one["kind"] == kind]


def _bars(
    axes: Any,  # noqa: ANN401  (matplotlib's, which mypy doesn't see)
    found: list[Figures],
    value: Callable[[Figures], float],
    text: str,
    *,
    faint: bool = False,
) -> None:
    names = [one["system"] for one in found]
    colours = [OURS if name.startswith("CloudKon") else THEIRS for name in names]
    bars = axes.barh(names, [value(one) for one in found], color=colours, alpha=0.35 if faint else 1.0)
    if text:
        axes.bar_label(bars, labels=[text.format(value(one)) for one in found], padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
