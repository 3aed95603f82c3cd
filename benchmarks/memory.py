"""``python -m benchmarks.memory``: what a worker process takes, idle and over a hundred thousand tasks."""

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

import click

from benchmarks.bench_fleet import BenchFleet, bench_fleet
from benchmarks.machine import shape
from benchmarks.table import Table, keep

TASKS: Final = 100_000
CHUNK: Final = 50
IDLE_SECONDS: Final = 10.0
"""After its start, until a worker counts as idle."""
SAMPLE_SECONDS: Final = 0.25
PARTS: Final = 4
"""Into which the samples of a run are cut, to show whether it grows."""
KILOBYTES_IN_MEGABYTE: Final = 1024


def resident(pid: int, kind: str = "VmRSS") -> float:
    """A process's resident memory in MiB: now, or its peak by ``VmHWM``, which the kernel keeps."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / KILOBYTES_IN_MEGABYTE
    raise RuntimeError(f"process {pid} tells no {kind}")


def samples_until_end(fleet: BenchFleet, run: str, pid: int) -> list[float]:
    """The worker's resident memory, MiB, until the run has ended."""
    samples = []
    with subprocess.Popen(
        [sys.executable, "-m", "client", "check", run, "--wait", "--json"],
        cwd=fleet.directory,
        env=fleet.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as waiting:
        while waiting.poll() is None:
            samples.append(resident(pid))
            time.sleep(SAMPLE_SECONDS)
    if waiting.returncode:
        raise RuntimeError(f"run {run} did not succeed")
    return samples


def measure(share: float) -> list[Table]:
    """One worker on the local target."""
    tasks = round(TASKS * share)
    table = Table(
        "Memory of a worker",
        ("when", "resident MiB"),
        f"One worker process on the local target, {tasks:,} times `sleep 0` at chunk {CHUNK}, sampled every "
        f"{SAMPLE_SECONDS:g} s; the peak is the kernel's (VmHWM).",
    )
    with bench_fleet() as fleet:
        fleet.command("fleet", "scale", 1)
        pid = fleet.worker_pid()
        time.sleep(IDLE_SECONDS)
        table.rows.append(("idle", f"{resident(pid):.1f}"))
        samples = samples_until_end(fleet, fleet.push(tasks, "sleep 0", CHUNK), pid)
        table.rows += _parts(samples)
        table.rows.append(("peak", f"{resident(pid, 'VmHWM'):.1f}"))
    return [table]


def _parts(samples: list[float]) -> list[tuple[str, str]]:
    """The most in each part of the run."""
    cuts = [round(part * len(samples) / PARTS) for part in range(PARTS + 1)]
    parts = [samples[begin:end] for begin, end in pairwise(cuts)]
    return [(f"part {number} of {PARTS}, most", f"{max(part):.1f}") for number, part in enumerate(parts, 1) if part]


@click.command()
@click.option("--share", type=click.FloatRange(0.01, 1), default=1.0, help="Of the tasks, to have it sooner.")
def main(share: float) -> None:
    """Measure a worker's memory (Linux)."""
    machine = shape()
    keep("memory", measure(share), machine)


if __name__ == "__main__":
    main()
