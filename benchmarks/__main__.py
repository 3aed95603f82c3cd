"""``python -m benchmarks [NAME…]``: runs benchmarks and writes docs/benchmarks.md from all results that exist."""

import signal
import sys
import time
from typing import Final

import click

from benchmarks.harness.host import describe_host, load_average
from benchmarks.harness.report import write_report
from benchmarks.harness.table import save
from benchmarks.suites import (
    autoscaling,
    budgets,
    check,
    comparison,
    containers,
    emulator_requests,
    execution,
    knobs,
    local_backend,
    local_target,
    memory,
    profile,
    push,
    render,
    render_memory,
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
    "execution": execution.measure,
    "stub_limit": stub_limit.measure,
    "knobs": knobs.measure,
    "local_backend": local_backend.measure,
    "local_target": local_target.measure,
    "emulator_requests": emulator_requests.measure,
    "scale": scale.measure,
    "autoscaling": autoscaling.measure,
    "render": render.measure,
    "render_memory": render_memory.measure,
    "slideshows": slideshows.measure,
    "containers": containers.measure,
}
NAMED_ONLY: Final = ("emulator_requests", "scale", "render", "render_memory", "slideshows", "containers")
"""Benchmarks that run only when named: they take long, and ``containers`` needs a Docker engine."""


@click.command(epilog=f"NAMES: {', '.join(ALL)}. Only when named: {', '.join(NAMED_ONLY)}.")
@click.argument("names", nargs=-1, type=click.Choice(list(ALL)), metavar="[NAME]...")
@click.option("--share", type=click.FloatRange(0.01, 1), default=1.0, help="Share of the tasks to run; less is faster.")
def main(names: tuple[str, ...], share: float) -> None:
    """Run benchmarks, save their figures in docs/benchmarks/, and write the report from all figures there.

    Figures and report are written after each benchmark: after an interruption, name the missing ones.
    """
    # SIGTERM must also stop the workers, which lead sessions of their own: leave through the context managers.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    machine = describe_host()
    for name in names or [name for name in ALL if name not in NAMED_ONLY]:
        begun, before = time.time(), load_average()
        tables = ALL[name](share)
        save(
            name,
            tables,
            machine,
            date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(begun)),
            seconds=round(time.time() - begun, 1),
            share=share,
            load=[before, load_average()],
        )
        click.echo(f"written to {write_report(list(ALL), redraw=name)}")


if __name__ == "__main__":
    main()
