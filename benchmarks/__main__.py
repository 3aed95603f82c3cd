"""``python -m benchmarks [NAME…]``: runs all of them or some, and writes docs/benchmarks.md from all that is there."""

import signal
import sys
import time
from typing import Final

import click

from benchmarks.harness.machine import load, shape
from benchmarks.harness.report import write_report
from benchmarks.harness.table import keep
from benchmarks.render import contest, many
from benchmarks.suites import (
    autoscaling,
    budgets,
    check,
    comparison,
    containers,
    knobs,
    local_backend,
    local_target,
    memory,
    profile,
    push,
    scale,
    slideshows,
    start,
    stub_limit,
)

ALL: Final = {
    "budgets": budgets.measure,
    "profile": profile.measure,
    "comparison": comparison.measure,
    "memory": memory.measure,
    "push": push.measure,
    "check": check.measure,
    "start": start.measure,
    "stub_limit": stub_limit.measure,
    "knobs": knobs.measure,
    "local_backend": local_backend.measure,
    "local_target": local_target.measure,
    "scale": scale.measure,
    "autoscaling": autoscaling.measure,
    "render": contest.measure,
    "render_memory": many.measure,
    "slideshows": slideshows.measure,
    "containers": containers.measure,
}
NAMED_ONLY: Final = ("scale", "render", "render_memory", "slideshows", "containers")
"""These are long, and containers need a Docker engine: they run when they are asked for."""


@click.command(epilog=f"NAMES: {', '.join(ALL)}. Only when named: {', '.join(NAMED_ONLY)}.")
@click.argument("names", nargs=-1, type=click.Choice(list(ALL)), metavar="[NAME]...")
@click.option("--share", type=click.FloatRange(0.01, 1), default=1.0, help="Of the tasks, to have it sooner.")
def main(names: tuple[str, ...], share: float) -> None:
    """Measure, keep the figures in docs/benchmarks/, and write the report from all that lie there.

    Figures are kept and the report is written as soon as each ends: after an interruption, name those that are missing.
    """
    # Ended from outside, it takes its workers along: they lead sessions of their own.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    machine = shape()
    for name in names or [name for name in ALL if name not in NAMED_ONLY]:
        begun, before = time.time(), load()
        tables = ALL[name](share)
        keep(
            name,
            tables,
            machine,
            date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(begun)),
            seconds=round(time.time() - begun, 1),
            share=share,
            load=[before, load()],
        )
        click.echo(f"written to {write_report(list(ALL), redraw=name)}")


if __name__ == "__main__":
    main()
