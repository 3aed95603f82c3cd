"""Push: how fast one client on one core gets a million tasks onto the queue, and what it takes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

from benchmarks.harness.processes import Spent, python, spent
from benchmarks.harness.systems import CloudKon, Stand
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.running import running_stub

TASKS: Final = 1_000_000
CHUNKS: Final = (10, 50)
WANTED_CHUNK: Final = 10
WANTED_SECONDS: Final = 120


def measure(share: float) -> list[Table]:
    """``python -m client push`` of a file, at the stub's full latency."""
    tasks = round(TASKS * share)
    table = Table(
        "Push",
        ("chunk", "seconds", "tasks/s", "CPU s", "peak MiB"),
        f"`python -m client push` of a file of {tasks:,} lines of `sleep 0`, from its start to its end: checking, "
        "spooling, sending.",
    )
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        for chunk in CHUNKS:
            push = _push(Stand(stub, Path(directory)), tasks, chunk)
            seconds, cpu, peak = push.seconds, push.cpu, push.peak
            table.rows.append((str(chunk), f"{seconds:.1f}", f"{tasks / seconds:,.0f}", f"{cpu:.1f}", f"{peak:.0f}"))
            table.figures.append({"chunk": chunk, "tasks": tasks, "seconds": seconds, "cpu_seconds": cpu, "peak": peak})
            if chunk == WANTED_CHUNK:
                found = seconds * TASKS / tasks
                name = f"seconds to push {TASKS:,} tasks, chunk {chunk}"
                table.budgets.append(Budget(name, WANTED_SECONDS, found, ".0f", least=False))
    return [table]


def _push(stand: Stand, tasks: int, chunk: int) -> Spent:
    """One push."""
    system = CloudKon(chunk=chunk)
    stand.stub.command("reset")
    system.prepare(stand)
    workload = stand.directory / "workload.txt"
    with workload.open("w", encoding="ascii") as lines:
        lines.writelines("sleep 0\n" for _ in range(tasks))
    with TemporaryFile() as said:
        push = python("client", "push", str(workload), "--chunk", str(chunk), "--json")
        found = spent(push, stand.directory, system.worker(stand)[1], said)
        said.seek(0)
        if json.loads(said.read())["tasks"] != tasks:
            raise RuntimeError("push pushed another number of tasks")
    return found
