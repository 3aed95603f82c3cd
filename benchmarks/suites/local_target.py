"""Measures workers on the embedded emulator beside the naive worker on the same one."""

from typing import Final

from benchmarks.harness.bare_loops import bare_loop
from benchmarks.harness.bench_fleet import BenchFleet, bench_fleet
from benchmarks.harness.naive import naive_rate
from benchmarks.harness.table import Table

WORKERS: Final = (1, 2)
CHUNKS: Final = (1, 10)
MESSAGES: Final = 2_000
SLEEPS: Final = 300
"""Tasks for each worker."""
NAIVE_TASKS: Final = 200
MILLISECONDS: Final = 10


def throughput(fleet: BenchFleet, share: float) -> Table:
    """Measure tasks a second of ``sleep 0``."""
    messages = round(MESSAGES * share)
    table = Table(
        "Throughput on the local target",
        ("chunk", "workers", "tasks/s", "÷ naive"),
        f"{messages:,} messages of `sleep 0`, pushed before the workers start, measured from the start of the first "
        "task to the end of the last; one run each. The emulator is one Python process on the same cores.",
    )
    naive = naive_rate(fleet, round(NAIVE_TASKS * share), 0).tasks_per_second
    table.rows.append(("-", "1 naive", f"{naive:,.0f}", "1.0"))
    for chunk in CHUNKS:
        for workers in WORKERS:
            rate = fleet.rate(workers, messages * chunk, "sleep 0", chunk).tasks_per_second
            table.rows.append((str(chunk), str(workers), f"{rate:,.0f}", f"{rate / naive:.1f}"))
    return table


def efficiency(fleet: BenchFleet, share: float) -> Table:
    """Measure the efficiency of ``sleep 10``."""
    sleeps, seconds = round(SLEEPS * share), MILLISECONDS / 1000
    table = Table(
        "Efficiency on the local target",
        ("chunk", "workers", "efficiency", "÷ bare loop"),
        f"{sleeps:,} tasks of `sleep {MILLISECONDS}` a worker: the sleeps' time divided by the workers' time. "
        "One run each. The bare loop calls `time.sleep` in Python.",
    )
    bare = seconds * bare_loop(sleeps, seconds).tasks_per_second
    table.rows.append(("-", "bare loop", f"{bare:.1%}", "1.00"))
    naive = seconds * naive_rate(fleet, round(NAIVE_TASKS * share), MILLISECONDS).tasks_per_second
    table.rows.append(("-", "1 naive", f"{naive:.1%}", f"{naive / bare:.2f}"))
    for chunk in CHUNKS:
        for workers in WORKERS:
            rate = fleet.rate(workers, sleeps * workers, f"sleep {MILLISECONDS}", chunk)
            found = rate.tasks_per_second * seconds / workers
            table.rows.append((str(chunk), str(workers), f"{found:.1%}", f"{found / bare:.2f}"))
    return table


def measure(share: float) -> list[Table]:
    """Measure both with a share of the tasks."""
    with bench_fleet() as fleet:
        return [throughput(fleet, share), efficiency(fleet, share)]
