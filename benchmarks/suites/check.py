"""Check: how long a client takes to count a run of a million tasks, and to print all its results."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

import trio

from benchmarks.harness.processes import Spent, python, spent
from benchmarks.harness.systems import FLEET, CloudKon, Stand
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.running import running_stub
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
"""The run whose results take as much memory as those of the large one has so many times fewer tasks."""
MOST_GROWTH: Final = 10
"""MiB from that run to the large one: pages of other sizes, and no byte a task."""
_WRITERS: Final = 8


def measure(share: float) -> list[Table]:
    """``check --json`` and ``results --json`` of a run that is done, on the stub at its full latency."""
    tasks = round(TASKS * share)
    table = Table(
        "Reading a large run",
        ("command", "tasks", "seconds", "CPU s", "queries", "peak MiB"),
        f"`python -m client`, from its start to its end, of a run in chunks of {CHUNK} that is done. "
        "A query's answer is 1 MB of items at the most, as DynamoDB's.",
    )
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        stand = Stand(stub, Path(directory))
        system = CloudKon(chunk=CHUNK)
        system.prepare(stand)
        few, many = (_fill(stand, f"check{count}", count) for count in (tasks // FEWER, tasks))
        peaks = []
        for command, run in (("check", many), ("results", few), ("results", many)):
            found, queries = _read(stand, system, command, run)
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


def _read(stand: Stand, system: CloudKon, command: str, run: Run) -> tuple[Spent, int]:
    """What a command took, and the queries that it made."""
    before = stand.stub.counts()["requests"].get("Query", 0)
    with TemporaryFile() as said:
        reading = python("client", command, run.id, "--json")
        found = spent(reading, stand.directory, system.worker(stand)[1], said)
        said.seek(0)
        told = json.loads(said.readline())["succeeded"] if command == "check" else sum(1 for _ in said)
    if told != run.count:
        raise RuntimeError(f"{command} told of {told} tasks and not of {run.count}")
    return found, stand.stub.counts()["requests"]["Query"] - before


def _fill(stand: Stand, run_id: str, tasks: int) -> Run:
    """A run that is done."""
    run = Run.plan(
        run_id=run_id, counts={"worker": tasks}, chunk_size=CHUNK, digest="-", started=round(time.time() - 3600, 3)
    )
    ledger = connect(Settings(fleet=FLEET, target="docker", endpoint_url=stand.stub.address)).ledger
    with stand.stub.swift():
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
