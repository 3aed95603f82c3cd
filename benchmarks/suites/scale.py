"""Scale: one to 1,024 real workers in one process and in virtual time, on services with AWS's times and limits.

What runs is the worker's own pipeline; what is simulated is the time that AWS takes and the limits that it publishes.
So this shows what the design does at a size that two cores can't: where it scales, and what stops it. The workers'
CPU takes no time here; ``python -m benchmarks budgets`` measures what a core does.

A fleet begins, works for a while so that what it does is what it goes on doing, and is then looked at for some virtual
seconds of a run that has no end. A simulated task of a long chunk costs up to a tenth of a millisecond of real CPU, one
that is a message of its own 2 ms: so the large fleets are looked at for a shorter time, in which as much happens.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Final

import click

from benchmarks.harness.limits import MOST_IN_FLIGHT, PARTITION_UNITS, PARTITIONS, partition_of
from benchmarks.harness.scale_fleet import LEAST_TASKS, RUN, WARM_UP, Cell, run_cell
from benchmarks.harness.table import Table
from cloudkon.model.run import MOST_SHARDS

WORKERS: Final = (1, 16, 64, 256, 1024)
MILLISECONDS: Final = (1, 10, 16, 128, 1_000)
CHUNK_MILLISECONDS: Final = 250
"""Of work in a message, as ``push --chunk auto`` makes them."""
SINGLES: Final = (16,)
"""Milliseconds of the tasks that are tried one a message too; longer ones are so in any case."""
SECONDS: Final = {1: 4.0, 16: 2.0, 64: 2.0, 256: 1.2, 1024: 1.2}
"""That a fleet of so many workers is looked at."""
SHORTEST: Final = 1
"""Milliseconds of tasks so many that half of that must do."""
HEADS: Final = (
    "ms a task",
    "chunk",
    "workers",
    "tasks/s",
    "efficiency",
    "÷ one worker",
    "requests/task",
    "write units/s",
    "throttled/s",
    "in flight",
)


def in_chunks(share: float) -> Iterator[Cell]:
    """Messages of a quarter of a second of work."""
    for milliseconds, workers in product(MILLISECONDS, WORKERS):
        yield Cell(
            workers, milliseconds, max(1, CHUNK_MILLISECONDS // milliseconds), _seconds(milliseconds, workers, share)
        )


def single(share: float) -> Iterator[Cell]:
    """Messages of one task."""
    for milliseconds, workers in product(SINGLES, WORKERS):
        yield Cell(workers, milliseconds, 1, _seconds(milliseconds, workers, share))


def _seconds(milliseconds: int, workers: int, share: float) -> float:
    seconds = share * SECONDS[workers] / (2 if milliseconds == SHORTEST else 1)
    return max(seconds, LEAST_TASKS * milliseconds / 1000)


def _table(title: str, note: str, cells: list[Cell], processes: Pool) -> Table:
    table = Table(title, HEADS, note)
    alone = 1.0
    for cell, found in zip(cells, processes.imap(run_cell, cells), strict=True):
        efficiency = found.efficiency(cell)
        rate = efficiency * cell.workers * 1000 / cell.milliseconds
        alone = rate if cell.workers == 1 else alone
        table.rows.append(
            (
                f"{cell.milliseconds:,}",
                str(cell.chunk),
                f"{cell.workers:,}",
                f"{rate:,.0f}",
                f"{efficiency:.1%}",
                f"{rate / alone:,.1f}",
                f"{found.calls / cell.seconds / rate:.3f}",
                f"{found.units / cell.seconds:,.0f}",
                f"{found.throttled / cell.seconds:,.0f}",
                f"{found.in_flight:,}",
            )
        )
        figure = {**asdict(cell), **asdict(found), "tasks_per_second": rate, "efficiency": efficiency}
        table.figures.append({"kind": "scale", **figure})
        click.echo(f"{cell}: {efficiency:.1%}", err=True)
    return table


def _note() -> str:
    keys = Counter(partition_of(f"{RUN}#{shard}") for shard in range(MOST_SHARDS))
    fullest = max(keys.values()) / MOST_SHARDS
    return f"""\
The real pipeline in virtual time, on services with AWS's times and limits, one slot a worker. Each fleet is looked at
for a few seconds ({SECONDS[1]:g} with one worker, {SECONDS[WORKERS[-1]]:g} with {WORKERS[-1]:,}) out of a long run,
after a warm-up of {WARM_UP:g} s or more. Efficiency is the share of that time in which the slots run tasks, and no
more than what the ledger's write units are enough for, since its claims may be ahead of its completions for so long;
tasks/s follow from it. The workers' own CPU takes no time here: see the budgets for it.

What bounds a fleet is the ledger. A partition of DynamoDB takes {PARTITION_UNITS:,.0f} write units a second, and a new
on-demand table is {PARTITIONS} of them (bursts are left out). A chunk takes a unit to be claimed, and one for each
KiB of its results: where that comes to more than the partitions take, they throttle, and slots wait. A run's items
lie under {MOST_SHARDS} keys, which a hash spreads over the partitions. The fullest has {fullest:.0%} of them here,
which in the long run, and not yet in these seconds, lets {PARTITION_UNITS / fullest:,.0f} units a second through. A
table that has served more grows, to twice its earlier peak, and chunks of more work need fewer units: with a second's
work a message, {WORKERS[-1]:,} workers lose nothing. SQS's {MOST_IN_FLIGHT:,} messages in flight are far off,
since workers prefetch by time."""


def measure(share: float) -> list[Table]:
    """Chunks of a quarter of a second, and single tasks."""
    with get_context("spawn").Pool() as processes:
        return [
            _table("Scale, in chunks of a quarter of a second", _note(), list(in_chunks(share)), processes),
            _table(
                "Scale, one task a message",
                "The same where short tasks are not chunked. Longer ones are one a message above.",
                list(single(share)),
                processes,
            ),
        ]
