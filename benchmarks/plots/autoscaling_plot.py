"""Plots backlog, workers and instances over time. Runs in the peers' environment, as other plots do.

python -m benchmarks.plots.autoscaling_plot docs/benchmarks/autoscaling.json docs/benchmarks
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl  # type: ignore[import-not-found]  # in the peers' own environment only

mpl.use("svg")

from matplotlib import pyplot as plt

WANTED: Final = "#c4561f"
RUNNING: Final = "#4a6d8c"
BACKLOG: Final = "#bbbbbb"


def main(source: Path, target: Path) -> None:
    """Draw the loads whose minutes are saved, autoscaled by the template."""
    tables = json.loads(source.read_text(encoding="utf-8"))["tables"]
    lives = [one for one in tables[0]["figures"] if "minutes" in one]
    plt.rcParams |= {"svg.hashsalt": "cloudkon", "font.size": 9, "axes.spines.top": False}
    _, panels = plt.subplots(1, len(lives), figsize=(11, 3.4))
    for axes, result in zip(panels, lives, strict=True):
        _draw(axes, result["load"], [[int(word) for word in line.split()] for line in result["minutes"]])
    panels[0].legend(frameon=False, loc="upper right")
    plt.tight_layout()
    plt.savefig(target / "autoscaling.svg", metadata={"Date": None})


def _draw(axes: Any, load: str, samples: list[list[int]]) -> None:  # noqa: ANN401  (matplotlib's, which mypy doesn't see)
    minutes, backlog, wanted, running, instances = zip(*samples, strict=True)
    axes.step(minutes, wanted, where="post", color=WANTED, label="workers wanted")
    axes.step(minutes, running, where="post", color=RUNNING, label="workers running")
    axes.step(minutes, instances, where="post", color=RUNNING, linestyle=":", label="instances")
    axes.plot([], [], color=BACKLOG, linewidth=5, label="messages (right)")
    axes.set_title(load, fontsize=9)
    axes.set_xlabel("minutes from the first push")
    axes.set_ylim(0, max(wanted) * 1.35)
    behind = axes.twinx()
    behind.fill_between(minutes, backlog, color=BACKLOG, alpha=0.5, linewidth=0)
    behind.set_ylim(0, max(backlog) * 1.35)
    axes.set_zorder(behind.get_zorder() + 1)
    axes.patch.set_visible(False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
