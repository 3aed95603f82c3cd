"""Measures a worker process without a server beside a bare loop."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.harness.bare_loops import bare_loop
from benchmarks.harness.table import Table

SLOTS: Final = (1, 4, 16)
SHORT_TASKS: Final = 10_000
SLEEPS: Final = 300
"""Tasks for each slot."""
REPETITIONS: Final = 3
MILLISECONDS: Final = 10
SECONDS: Final = 300
"""The timeout of a run."""


def local_run(workload: Path, slots: int) -> dict[str, float]:
    """Run a workload with ``python -m images.worker --local`` and return its summary."""
    done = subprocess.run(
        [sys.executable, "-m", "images.worker", "--local", workload, "--slots", str(slots), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    summary: dict[str, float] = json.loads(done.stdout)
    return summary


def throughput(directory: Path, share: float) -> Table:
    """Measure tasks a second of ``sleep 0``."""
    tasks = round(SHORT_TASKS * share)
    workload = _workload(directory, tasks, 0)
    table = Table(
        "Throughput of the local back end",
        ("slots", "tasks/s", "÷ bare loop"),
        f"{tasks:,} tasks of `sleep 0` in one process without a server; medians of {REPETITIONS}. "
        "The bare loop, run before each, calls `time.sleep(0)` in Python: a system call, which the worker's `sleep 0` "
        "doesn't make.",
    )
    bares: list[float] = []
    for slots in SLOTS:
        found = []
        for _ in range(REPETITIONS):
            bares.append(bare_loop(tasks, 0).tasks_per_second)
            found.append((local_run(workload, slots)["tasks_per_second"], bares[-1]))
        rate, ratio = median(rate for rate, _ in found), median(rate / bare for rate, bare in found)
        table.rows.append((str(slots), f"{rate:,.0f}", f"{ratio:.3f}"))
    table.rows.insert(0, ("bare loop", f"{median(bares):,.0f}", "1.000"))
    return table


def efficiency(directory: Path, share: float) -> Table:
    """Measure the efficiency of ``sleep 10``."""
    sleeps, seconds = round(SLEEPS * share), MILLISECONDS / 1000
    table = Table(
        "Efficiency of the local back end",
        ("slots", "efficiency", "÷ bare loop"),
        f"{sleeps:,} tasks of `sleep {MILLISECONDS}` a slot: the sleeps' time divided by the slots' time; medians of "
        f"{REPETITIONS}. The bare loop, run before each, calls `time.sleep` in Python.",
    )
    bares: list[float] = []
    for slots in SLOTS:
        workload = _workload(directory, sleeps * slots, MILLISECONDS)
        found = []
        for _ in range(REPETITIONS):
            bares.append(seconds * bare_loop(min(sleeps, 300), seconds).tasks_per_second)
            found.append((local_run(workload, slots)["efficiency"], bares[-1]))
        share_used, ratio = median(used for used, _ in found), median(used / bare for used, bare in found)
        table.rows.append((str(slots), f"{share_used:.1%}", f"{ratio:.3f}"))
    table.rows.insert(0, ("bare loop", f"{median(bares):.1%}", "1.000"))
    return table


def measure(share: float) -> list[Table]:
    """Measure both with a share of the tasks."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        return [throughput(Path(directory), share), efficiency(Path(directory), share)]


def _workload(directory: Path, tasks: int, milliseconds: int) -> Path:
    path = directory / f"{tasks}-{milliseconds}.txt"
    path.write_text(f"sleep {milliseconds}\n" * tasks, encoding="ascii")
    return path
