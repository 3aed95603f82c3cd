"""Measures the memory of a worker process, idle and over a million tasks."""

import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness.processes import KILOBYTES_IN_MEGABYTE, running
from benchmarks.harness.systems import CloudKon, TrialSetup
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.stub_process import running_stub

TASKS: Final = 1_000_000
CHUNK: Final = 50
IDLE_SECONDS: Final = 10.0
"""The time after its start at which a worker counts as idle."""
LONGEST_SECONDS: Final = 300
SAMPLE_SECONDS: Final = 0.25
PARTS: Final = 4
"""Parts of a run, whose samples are compared to show growth."""
MOST_GROWTH: Final = 3.0
"""MiB from the second part to the last: allocator noise, but no bytes leaked for each task."""


def resident(pid: int, kind: str = "VmRSS") -> float:
    """A process's resident memory in MiB: the current one, or with ``VmHWM`` the peak that the kernel records."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / KILOBYTES_IN_MEGABYTE
    raise RuntimeError(f"process {pid} has no {kind}")


def measure(share: float) -> list[Table]:
    """Measure one worker on the stub."""
    tasks, system = round(TASKS * share), CloudKon(chunk=CHUNK)
    table = Table(
        "Memory of a worker",
        ("when", "resident MiB"),
        f"One worker process on the stub, {tasks:,} tasks of `sleep 0` at chunk {CHUNK}, sampled every "
        f"{SAMPLE_SECONDS:g} s; the peak is the kernel's (VmHWM).",
    )
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        setup = TrialSetup(stub, Path(directory))
        with stub.without_latency():
            system.prepare(setup)
            stub.command("gate", queue=system.queue, closed=True)
            system.push(setup, tasks, 0)
        command, environment = system.worker(setup)
        with running(command, setup.directory, environment) as pid:
            stub.wait_for_poll(system.queue)
            time.sleep(IDLE_SECONDS)
            idle = resident(pid)
            stub.command("gate", queue=system.queue, closed=False)
            samples = _samples_until_drained(setup, system.queue, pid)
            peak = resident(pid, "VmHWM")
    parts = _parts(samples)
    table.rows.append(("idle", f"{idle:.1f}"))
    table.rows += [(f"part {number} of {PARTS}, most", f"{most:.1f}") for number, most in enumerate(parts, 1)]
    table.rows.append(("peak", f"{peak:.1f}"))
    table.budgets.append(Budget("memory of an idle worker, MiB", 90, idle, ".1f", least=False))
    growth = parts[-1] - parts[1]
    table.budgets.append(
        Budget(f"growth from part 2 to {PARTS} of {tasks:,} tasks, MiB", MOST_GROWTH, growth, ".1f", least=False)
    )
    table.figures.append({"idle": idle, "peak": peak, "samples": [round(sample, 1) for sample in samples]})
    return [table]


def _samples_until_drained(setup: TrialSetup, queue: str, pid: int) -> list[float]:
    """Sample the worker's resident memory in MiB until it has deleted the last message."""
    samples, deadline = [], time.monotonic() + LONGEST_SECONDS
    while any((depth := setup.stub.counts()["queues"][queue])[name] for name in ("visible", "in_flight")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the queue was not drained within {LONGEST_SECONDS} s: {depth}")
        samples.append(resident(pid))
        time.sleep(SAMPLE_SECONDS)
    return samples


def _parts(samples: list[float]) -> list[float]:
    """The largest sample of each part of the run."""
    cuts = [round(part * len(samples) / PARTS) for part in range(PARTS + 1)]
    return [max(samples[begin:end] or samples[-1:]) for begin, end in pairwise(cuts)]
