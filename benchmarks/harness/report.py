"""Writes docs/benchmarks.md from the JSON files in docs/benchmarks."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.peers_environment import peers_python
from benchmarks.harness.table import RESULTS_DIR, Budget, Table, read_tables

REPORT: Final = RESULTS_DIR.with_suffix(".md")
ROOT: Final = Path(__file__).parents[2]
PLOTS: Final = {
    "comparison": {
        "throughput.svg": "Tasks a second of sleep 0, one worker each",
        "efficiency.svg": "Efficiency by the tasks' length, one slot each",
        "latency.svg": "Milliseconds from push to start at low load",
        "cost.svg": "CPU and AWS's charges of a task",
    },
    "scale": {"scale.svg": "Efficiency and throughput by workers, in virtual time"},
    "autoscaling": {"autoscaling.svg": "Workers, instances and messages by the minute, autoscaled"},
    "render": {"render.svg": "CPU and memory of a slideshow, by the way that it is made"},
}
"""By benchmark, the plots of its figures, each with its description."""
DRAWN_BY: Final = {
    "comparison": "benchmarks.plots.comparison_plot",
    "scale": "benchmarks.plots.scale_plot",
    "autoscaling": "benchmarks.plots.autoscaling_plot",
    "render": "benchmarks.plots.render_plot",
}
HEAD: Final = """\
# Benchmarks

Written by `make bench` from the figures in [benchmarks/](benchmarks/), which `python -m benchmarks NAME` measures \
again one by one. Ratios are more reliable than figures: the rows of one table were measured together.
"""


def write_report(order: list[str], *, redraw: str = "") -> Path:
    """Write the report from the existing JSON files in this order, redraw one benchmark's plots; return the path."""
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for name in order
        if (path := RESULTS_DIR / f"{name}.json").exists()
    ]
    tables = [table for one in found for table in read_tables(one)]
    parts = [HEAD.rstrip(), _budgets([budget for table in tables for budget in table.budgets])]
    for one in found:
        parts += [table.markdown() for table in read_tables(one)]
        if one["benchmark"] in PLOTS:
            parts.append(_plots(one["benchmark"], redraw=redraw == one["benchmark"]))
    parts.append(_runs(found))
    REPORT.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")
    return REPORT


def _budgets(budgets: list[Budget]) -> str:
    if not budgets:
        return ""
    note = (
        "What the design requires of one core. Where CPU time is the reason that a budget is not met, "
        "[the profile](#where-the-loops-cpu-goes) shows which code takes it."
    )
    table = Table("Budgets", ("budget", "wanted", "measured", "met", ""), note)
    table.rows = [budget.cells() for budget in budgets]
    return table.markdown()


def _plots(benchmark: str, *, redraw: bool) -> str:
    """Draw the plots and return their Markdown. Only the peers' environment has matplotlib."""
    plots = PLOTS[benchmark]
    if redraw or not all((RESULTS_DIR / name).exists() for name in plots):
        command = [peers_python(), "-m", DRAWN_BY[benchmark], str(RESULTS_DIR / f"{benchmark}.json"), str(RESULTS_DIR)]
        subprocess.run(command, cwd=ROOT, check=True)
    return "\n\n".join(f"![{what}]({RESULTS_DIR.name}/{name})" for name, what in plots.items())


def _runs(found: list[dict[str, Any]]) -> str:
    table = Table(
        "When and where",
        ("benchmark", "date", "seconds", "share of the tasks", "load before", "load after"),
        "\n\n".join(sorted({f"On {one['machine']}." for one in found})),
    )
    for one in found:
        table.rows.append(
            (
                one["benchmark"],
                one["date"],
                f"{one['seconds']:.0f}",
                f"{one['share']:g}",
                *(f"{load:.1f}" for load in one["load"]),
            )
        )
    return table.markdown()
