"""Measures the images, and workers in containers on LocalStack beside a naive worker. Needs a Docker engine."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from statistics import median
from typing import Any, Final

import docker

from benchmarks.harness.container_fleet import ContainerFleet, container_fleet
from benchmarks.harness.container_images import build_times, layers
from benchmarks.harness.naive import naive_rate
from benchmarks.harness.table import Table

WORKERS: Final = (1, 4, 16)
CHUNKS: Final = (1, 10)
SHORT_TASKS: Final = 10_000
NAIVE_TASKS: Final = 500
STARTS: Final = 5
IDLE_SECONDS: Final = 10.0
"""The time after its start at which a worker counts as idle."""
BUSY_CHUNK: Final = 10
SAMPLE_SECONDS: Final = 0.25
MEBIBYTE: Final = 1024**2


def throughput(fleet: ContainerFleet, share: float) -> Table:
    """Measure tasks a second of ``sleep 0``."""
    tasks = round(SHORT_TASKS * share)
    table = Table(
        "Throughput of containers on LocalStack",
        ("chunk", "workers", "tasks/s", "÷ naive"),
        f"{tasks:,} tasks of `sleep 0`, pushed before the workers start, measured from the last worker's start to the "
        "last task's end; one run each. The naive worker runs outside a container, on the same LocalStack, which "
        "shares the cores with all workers.",
    )
    naive = naive_rate(fleet, round(NAIVE_TASKS * share), 0).tasks_per_second
    table.rows.append(("-", "1 naive", f"{naive:,.0f}", "1.0"))
    for chunk in CHUNKS:
        for workers in WORKERS:
            rate = fleet.joint_rate(workers, tasks, "sleep 0", chunk)
            table.rows.append((str(chunk), str(workers), f"{rate:,.0f}", f"{rate / naive:.1f}"))
    return table


def start_to_first_task(fleet: ContainerFleet, share: float) -> Table:
    """Measure the seconds from a container's start to its first task's start."""
    starts = max(1, round(STARTS * share))
    table = Table(
        "From a container's start to its first task",
        ("", "seconds"),
        f"One worker on a queue with one task: from the time at which the engine started the container to the task's "
        f"start; {starts} times.",
    )
    found = sorted(_one_start(fleet) for _ in range(starts))
    for name, seconds in (("fastest", found[0]), ("median", median(found)), ("slowest", found[-1])):
        table.rows.append((name, f"{seconds:.2f}"))
    return table


def memory(fleet: ContainerFleet, share: float) -> Table:
    """Measure the memory of a worker's container."""
    tasks = round(SHORT_TASKS * share)
    table = Table(
        "Memory of a worker's container",
        ("when", "MiB"),
        f"By the container's control group, without file pages that can be dropped; busy is the largest sample during "
        f"{tasks:,} tasks of `sleep 0` at chunk {BUSY_CHUNK}.",
    )
    client: Any = docker.APIClient()
    try:
        fleet.command("fleet", "scale", 0)
        fleet.command("fleet", "scale", 1)
        time.sleep(IDLE_SECONDS)
        table.rows.append(("idle", f"{_memory(client, fleet.worker()):.1f}"))
        run = fleet.push(tasks, "sleep 0", BUSY_CHUNK)
        busy = [_memory(client, fleet.worker())]
        with ThreadPoolExecutor(1) as beside:
            waiting = beside.submit(fleet.wait, run)
            while not waiting.done():
                busy.append(_memory(client, fleet.worker()))
                time.sleep(SAMPLE_SECONDS)
        waiting.result()
        table.rows.append(("busy, most", f"{max(busy):.1f}"))
    finally:
        client.close()
    return table


def measure(share: float) -> list[Table]:
    """Measure everything with a share of the tasks."""
    images = [build_times(), layers()]
    with container_fleet() as fleet:
        return [*images, start_to_first_task(fleet, share), throughput(fleet, share), memory(fleet, share)]


def _one_start(fleet: ContainerFleet) -> float:
    fleet.command("fleet", "scale", 0)
    run = fleet.push(1, "sleep 0", 1)
    fleet.command("fleet", "scale", 1)
    fleet.wait(run)
    (result,) = fleet.results(run)
    client: Any = docker.APIClient()
    try:
        started = datetime.fromisoformat(client.inspect_container(fleet.worker())["State"]["StartedAt"])
    finally:
        client.close()
    return float(result["started"]) - started.timestamp()


def _memory(client: Any, name: str) -> float:  # noqa: ANN401  (the SDK has no types)
    """A container's memory in MiB as ``docker stats`` counts it, with both versions of control groups."""
    found = client.stats(name, stream=False, one_shot=True)["memory_stats"]
    cache = found["stats"].get("inactive_file", found["stats"].get("total_inactive_file", 0))
    return float(found["usage"] - cache) / MEBIBYTE
