"""Measures how long a client takes to count a run of a million tasks, and to print all its results."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

import trio

from benchmarks.harness.processes import ResourceUsage, python, run_measured
from benchmarks.harness.systems import FLEET, CloudKon, TrialSetup
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.stub_process import running_stub
from cloudkon.aws import connect
from cloudkon.model import ChunkRecord, ChunkState, Progress, Result, Run, TaskId, TaskState
from cloudkon.ports import Insert, Ledger
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.settings import Settings

TASKS: Final = 1_000_000
CHUNK: Final = 10
WANTED_SECONDS: Final = 10
WANTED_REQUESTS: Final = 300
FEWER: Final = 10
"""The smaller run has this many times fewer tasks, and printing its results must take as much memory."""
MOST_GROWTH: Final = 10
"""MiB from the smaller run to the large one: pages of other sizes, but nothing for each task."""
_WRITERS: Final = 8


def measure(share: float) -> list[Table]:
    """Measure ``check --json`` and ``results --json`` of a finished run, on the stub at its full latency."""
    tasks = round(TASKS * share)
    table = Table(
        "Reading a large run",
        ("command", "tasks", "seconds", "CPU s", "queries", "peak MiB"),
        f"`python -m client` from start to exit, for a finished run in chunks of {CHUNK}. "
        "A query returns at most 1 MB of items, as in DynamoDB.",
    )
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        setup = TrialSetup(stub, Path(directory))
        system = CloudKon(chunk=CHUNK)
        system.prepare(setup)
        few, many = (_fill(setup, f"check{count}", count) for count in (tasks // FEWER, tasks))
        peaks = []
        for command, run in (("check", many), ("results", few), ("results", many)):
            found, queries = _read(setup, system, command, run)
            cells = (f"{found.seconds:.1f}", f"{found.cpu:.1f}", f"{queries}", f"{found.peak:.0f}")
            table.rows.append((f"`{command} --json`", f"{run.count:,}", *cells))
            if command == "results":
                peaks.append(found.peak)
                continue
            name = f"`check` of {tasks:,} tasks at chunk {CHUNK}"
            table.budgets += [
                Budget(f"seconds of {name}", WANTED_SECONDS, found.seconds, ".1f", least=False),
                Budget(f"queries of {name}", WANTED_REQUESTS, queries, ".0f", least=False),
            ]
    growth = peaks[1] - peaks[0]
    name = f"growth of `results --json` from {tasks // FEWER:,} to {tasks:,} tasks, MiB"
    table.budgets.append(Budget(name, MOST_GROWTH, growth, ".1f", least=False))
    return [table]


def _read(setup: TrialSetup, system: CloudKon, command: str, run: Run) -> tuple[ResourceUsage, int]:
    """What a command used, and the number of its queries."""
    before = setup.stub.counts()["requests"].get("Query", 0)
    with TemporaryFile() as output:
        reading = python("client", command, run.id, "--json")
        found = run_measured(reading, setup.directory, system.worker(setup)[1], output)
        output.seek(0)
        reported = json.loads(output.readline())["succeeded"] if command == "check" else sum(1 for _ in output)
    if reported != run.count:
        raise RuntimeError(f"{command} reported {reported} tasks instead of {run.count}")
    return found, setup.stub.counts()["requests"]["Query"] - before


def _fill(setup: TrialSetup, run_id: str, tasks: int) -> Run:
    """Write a finished run to the ledger."""
    run = Run.plan(
        run_id=run_id, counts={"worker": tasks}, chunk_size=CHUNK, digest="-", started=round(time.time() - 3600, 3)
    )
    ledger = connect(Settings(fleet=FLEET, target="docker", endpoint_url=setup.stub.address)).ledger
    with setup.stub.without_latency():
        trio.run(_write, ledger, run)
    return run


async def _write(ledger: Ledger, run: Run) -> None:
    await ledger.create_run(run)
    records = _records(run)

    async def write_some() -> None:
        while some := list(islice(records, STATEMENTS)):
            await ledger.write([Insert(record) for record in some])

    async with trio.open_nursery() as nursery:
        for _ in range(_WRITERS):
            nursery.start_soon(write_some)


def _records(run: Run) -> Iterator[ChunkRecord]:
    for key, first, count in run.chunks("worker"):
        results = tuple(
            Result(
                TaskId(run.id, seq),
                TaskState.SUCCEEDED,
                started=run.started + seq / 1000,
                seconds=0.0101 + seq % 7 / 10_000,
                worker=f"ip-10-0-{seq % 16}-23-1-a1b2",
            )
            for seq in range(first, first + count)
        )
        yield ChunkRecord(
            key, ChunkState.DONE, f"{key.number:032x}", 1, 1, count, Progress(results), int(run.started) + 1
        )
