"""``python -m benchmarks``: all of them, and the report docs/benchmarks.md."""

import time
from pathlib import Path
from typing import Final

import click

from benchmarks import local_backend, local_target, memory
from benchmarks.machine import load, shape
from benchmarks.table import Table, keep

REPORT: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
ALL: Final = {"local_backend": local_backend.measure, "local_target": local_target.measure, "memory": memory.measure}
HEAD: Final = """\
# Benchmarks

Written by `make bench` on {date}, in {minutes:.0f} minutes, on this machine: {machine}. Load average {before:.1f} \
before, {after:.1f} after.

Trust ratios more than figures: each is to something that ran beside it.
"""


@click.command()
@click.option("--share", type=click.FloatRange(0.01, 1), default=1.0, help="Of the tasks, to have it sooner.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), default=REPORT, help="The report's file.")
def main(share: float, to: Path) -> None:
    """Run every benchmark and write the report."""
    begun, machine, before = time.time(), shape(), load()
    tables: list[Table] = []
    for name, measure in ALL.items():
        found = measure(share)
        keep(name, found, machine)
        tables += found
    date = time.strftime("%Y-%m-%d", time.gmtime(begun))
    minutes = (time.time() - begun) / 60
    head = HEAD.format(date=date, minutes=minutes, machine=machine, before=before, after=load())
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text("\n\n".join([head.rstrip(), *(table.markdown() for table in tables)]) + "\n", encoding="utf-8")
    click.echo(f"written to {to}")


if __name__ == "__main__":
    main()
