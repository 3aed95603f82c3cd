"""Measures how fast one client on one core pushes a million tasks, and what that uses."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

from benchmarks.harness.processes import ResourceUsage, python, run_measured
from benchmarks.harness.systems import CloudKon, TrialSetup
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.stub_process import running_stub

TASKS: Final = 1_000_000
CHUNKS: Final = (10, 50)
WANTED_CHUNK: Final = 10
WANTED_SECONDS: Final = 120


def measure(share: float) -> list[Table]:
    """Measure ``python -m client push`` of a file, at the stub's full latency."""
    tasks = round(TASKS * share)
    table = Table(
        "Push",
        ("chunk", "seconds", "tasks/s", "CPU s", "peak MiB"),
        f"`python -m client push` of a file with {tasks:,} lines of `sleep 0`, from start to exit: checking, staging "
        "and sending.",
    )
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        for chunk in CHUNKS:
            push = _push(TrialSetup(stub, Path(directory)), tasks, chunk)
            seconds, cpu, peak = push.seconds, push.cpu, push.peak
            table.rows.append((str(chunk), f"{seconds:.1f}", f"{tasks / seconds:,.0f}", f"{cpu:.1f}", f"{peak:.0f}"))
            table.figures.append({"chunk": chunk, "tasks": tasks, "seconds": seconds, "cpu_seconds": cpu, "peak": peak})
            if chunk == WANTED_CHUNK:
                found = seconds * TASKS / tasks
                name = f"seconds to push {TASKS:,} tasks, chunk {chunk}"
                table.budgets.append(Budget(name, WANTED_SECONDS, found, ".0f", least=False))
    return [table]


def _push(setup: TrialSetup, tasks: int, chunk: int) -> ResourceUsage:
    """Measure one push."""
    system = CloudKon(chunk=chunk)
    setup.stub.command("reset")
    system.prepare(setup)
    workload = setup.directory / "workload.txt"
    with workload.open("w", encoding="ascii") as lines:
        lines.writelines("sleep 0\n" for _ in range(tasks))
    with TemporaryFile() as output:
        push = python("client", "push", str(workload), "--chunk", str(chunk), "--json")
        found = run_measured(push, setup.directory, system.worker(setup)[1], output)
        output.seek(0)
        if json.loads(output.read())["tasks"] != tasks:
            raise RuntimeError("push reported a wrong number of tasks")
    return found
