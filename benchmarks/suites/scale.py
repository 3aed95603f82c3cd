"""Runs one to 1,024 real workers in one process and in virtual time, on services with AWS's latencies and limits.

The worker's own pipeline runs; AWS's latencies and its published limits are simulated. So the benchmark shows the
design at a size that two cores can't reach: where it scales, and what limits it. The workers' CPU takes no time here;
``python -m benchmarks budgets`` measures what one core does.

A fleet starts, warms up to a steady state, and is then measured for some virtual seconds of a long run. A simulated
task of a long chunk costs up to a tenth of a millisecond of real CPU time, a task in a message of its own 2 ms: so
large fleets are measured for a shorter time, in which as many tasks run.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Final

import click

from benchmarks.harness.limited_services import MOST_IN_FLIGHT, PARTITION_UNITS, PARTITIONS, partition_of
from benchmarks.harness.scale_fleet import LEAST_TASKS, RUN, WARM_UP, Cell, run_cell
from benchmarks.harness.table import Table
from cloudkon.model.run import MOST_SHARDS

WORKERS: Final = (1, 16, 64, 256, 1024)
MILLISECONDS: Final = (1, 10, 16, 128, 1_000)
CHUNK_MILLISECONDS: Final = 250
"""Milliseconds of work in a message, as with ``push --chunk auto``."""
SINGLES: Final = (16,)
"""Milliseconds of the tasks that are also tried one a message; longer ones always are."""
SECONDS: Final = {1: 4.0, 16: 2.0, 64: 2.0, 256: 1.2, 1024: 1.2}
"""The measured seconds, by number of workers."""
SHORTEST: Final = 1
"""Milliseconds of the tasks that are measured for half the time, since they are many."""
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
    """Cells whose messages have a quarter of a second of work."""
    for milliseconds, workers in product(MILLISECONDS, WORKERS):
        yield Cell(
            workers, milliseconds, max(1, CHUNK_MILLISECONDS // milliseconds), _seconds(milliseconds, workers, share)
        )


def single(share: float) -> Iterator[Cell]:
    """Cells whose messages have one task."""
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
The real pipeline in virtual time, on services with AWS's latencies and limits, one slot a worker. Each fleet is
measured for a few seconds ({SECONDS[1]:g} with one worker, {SECONDS[WORKERS[-1]]:g} with {WORKERS[-1]:,}) of a long
run, after a warm-up of at least {WARM_UP:g} s. Efficiency is the share of that time in which the slots run tasks, but
no more than the ledger's write units allow, since claims may be ahead of completions for some time; tasks/s follow
from it. The workers' own CPU takes no time here: see the budgets for it.

The ledger limits a fleet. A DynamoDB partition accepts {PARTITION_UNITS:,.0f} write units a second, and a new
on-demand table has {PARTITIONS} partitions (bursts are left out). A chunk needs one unit for its claim and one for
each KiB of its results: above the partitions' limit they throttle, and slots wait. A run's items have {MOST_SHARDS}
partition keys, which a hash spreads over the partitions. The fullest partition has {fullest:.0%} of them here, which
in the long run, though not yet in these seconds, allows {PARTITION_UNITS / fullest:,.0f} units a second. A table grows
with its load, to twice its earlier peak, and chunks with more work need fewer units: with a second of work a message,
{WORKERS[-1]:,} workers lose nothing. SQS's limit of {MOST_IN_FLIGHT:,} messages in flight is far away, since workers
prefetch by time."""


def measure(share: float) -> list[Table]:
    """Measure chunks of a quarter of a second, and single tasks."""
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
