"""The peers beside this fleet: each one's worker as its users would run it, on the same stub, in the same run."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.harness.environment import peers_python
from benchmarks.harness.systems import CloudKon, NaiveSystem, Peer, Stand, System
from benchmarks.harness.table import Table
from benchmarks.harness.trial import Trial, low_load, trial
from benchmarks.stub.running import running_stub
from cloudkon.prices import prices

LENGTHS: Final = (1, 10, 100)
"""Milliseconds of the tasks by which efficiency is told."""
TRIAL_SECONDS: Final = 4.0
"""About how long a trial takes."""
FEWEST_TASKS: Final = 20
LOW_LOAD_TASKS: Final = 150
LOW_LOAD_GAP: Final = 0.05
NOTE: Final = """\
One worker each, with one slot and its library's defaults but for the address: Celery 5 with a prefork pool of one, \
and once more as somebody runs it who found what holds it up (`polling_interval` 0, `worker_prefetch_multiplier` 10); \
python-task-queue's `poll`; dramatiq with one thread, and with its default of eight (then efficiency is over eight \
slots). The naive loop receives, gets, puts, executes, responds and deletes one message at a time. What they promise \
is not the same: this fleet claims every chunk in a ledger, keeps every result and publishes it; the naive loop keeps \
duplicates out, though not certainly; the others keep neither results nor duplicates, and Celery's default deletes a \
message before its task has run. Efficiency is the tasks' own time over the slots'. Push to start is at low load, \
{low} tasks {gap:g} ms apart. Dollars are the worker's requests at {prices}."""


def measure(share: float) -> list[Table]:
    """Throughput, efficiencies and latency of every system."""
    table = Table(
        "Beside the peers",
        ("system", "tasks/s of `sleep 0`", *(f"efficiency, {length} ms" for length in LENGTHS), "CPU ms/task",
         "requests/task", "$/M tasks", "push to start, p50 ms", "p99 ms", "stub's core"),
        NOTE.format(low=LOW_LOAD_TASKS, gap=1000 * LOW_LOAD_GAP, prices=prices().origin),
    )  # fmt: skip  # a line of heads reads better than a head a line
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        stand = Stand(stub, Path(directory))
        for system, likely in _systems(peers_python()):
            fast, naps, low = _trials(stand, system, likely, share)
            table.rows.append(_row(fast, naps, low))
            table.figures += [one.figures() | {"kind": kind} for kind, one in _kinds(fast, naps, low)]
    return [table]


def _systems(executable: str) -> list[tuple[System, float]]:
    """All of them, each with the tasks a second that it likely does."""
    app = "benchmarks.peers.celery_app"
    words = ("celery", "-A", app, "worker", "--concurrency", "1", "--loglevel", "ERROR")
    dramatiq, queue = "benchmarks.peers.dramatiq_app", "benchmarks.peers.task_queue_app"
    threads = ("dramatiq", dramatiq, "--processes", "1", "--threads")
    return [
        (CloudKon(name="CloudKon, chunks of 10", chunk=10), 9_000),
        (CloudKon(name="CloudKon"), 1_300),
        (NaiveSystem(), 18),
        (Peer("Celery", app, executable, words), 4),
        (Peer("Celery, tuned", app, executable, words, more={"BENCH_TUNED": "yes"}), 60),
        (Peer("dramatiq-sqs", dramatiq, executable, (*threads, "1")), 40),
        (Peer("dramatiq-sqs, 8 threads", dramatiq, executable, (*threads, "8"), slots=8), 150),
        (Peer("python-task-queue", queue, executable, (queue, "work")), 40),
    ]


def _trials(stand: Stand, system: System, likely: float, share: float) -> tuple[Trial, list[Trial], Trial]:
    seconds = TRIAL_SECONDS * share
    fast = trial(stand, system, max(FEWEST_TASKS, round(likely * seconds)), 0)
    naps = []
    for length in LENGTHS:
        # By what the first trial showed, a task takes the slot so long.
        each = 1 / fast.rate + length / 1000 / system.slots
        naps.append(trial(stand, system, max(FEWEST_TASKS, round(seconds / each)), length))
    return fast, naps, low_load(stand, system, max(FEWEST_TASKS, round(LOW_LOAD_TASKS * share)), LOW_LOAD_GAP)


def _kinds(fast: Trial, naps: list[Trial], low: Trial) -> list[tuple[str, Trial]]:
    # Waits behind a filled queue say nothing of a system.
    return [
        ("throughput", replace(fast, waits=())),
        *(("efficiency", replace(nap, waits=())) for nap in naps),
        ("low load", low),
    ]


def _row(fast: Trial, naps: list[Trial], low: Trial) -> tuple[Any, ...]:
    return (
        fast.system,
        f"{fast.rate:,.0f}",
        *(f"{nap.efficiency:.1%}" for nap in naps),
        f"{fast.cpu_milliseconds:.2f}",
        f"{fast.requests_a_task:.2f}",
        f"{fast.dollars_a_million:.2f}",
        f"{low.wait(50):.0f}",
        f"{low.wait(99):.0f}",
        f"{max(one.stub_share for one in (fast, *naps, low)):.0%}",
    )
