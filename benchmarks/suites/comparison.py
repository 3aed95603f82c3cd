"""Compares this fleet with its peers: each worker as its users would run it, on the same stub, in the same run."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.harness.peers_environment import peers_python
from benchmarks.harness.systems import CloudKon, NaiveSystem, Peer, System, TrialSetup
from benchmarks.harness.table import Table
from benchmarks.harness.trial import Trial, run_low_load, run_trial
from benchmarks.stub.stub_process import running_stub
from cloudkon.prices import prices

LENGTHS: Final = (1, 10, 100)
"""Milliseconds of the tasks for which efficiency is measured."""
TRIAL_SECONDS: Final = 4.0
"""The approximate length of a trial."""
FEWEST_TASKS: Final = 20
LOW_LOAD_TASKS: Final = 150
LOW_LOAD_GAP: Final = 0.05
NOTE: Final = """\
One worker each, with one slot and its library's defaults except the address: Celery 5 with a prefork pool of one, \
and once more without its two bottlenecks (`polling_interval` 0, `worker_prefetch_multiplier` 10); python-task-queue's \
`poll`; dramatiq with one thread, and with its default of eight (efficiency is then over eight slots). The naive loop \
receives, gets, puts, executes, responds and deletes one message at a time. The systems do not promise the same: this \
fleet claims every chunk in a ledger, keeps every result and publishes it; the naive loop prevents most duplicates; \
the others neither keep results nor prevent duplicates, and Celery's default deletes a message before its task has \
run. Efficiency is the tasks' nominal time divided by the slots' time. Push to start is at low load, with {low} tasks \
{gap:g} ms apart. Dollars are for the worker's requests, at {prices}."""


def measure(share: float) -> list[Table]:
    """Measure throughput, efficiency and latency of every system."""
    table = Table(
        "Beside the peers",
        ("system", "tasks/s of `sleep 0`", *(f"efficiency, {length} ms" for length in LENGTHS), "CPU ms/task",
         "requests/task", "$/M tasks", "push to start, p50 ms", "p99 ms", "stub's core"),
        NOTE.format(low=LOW_LOAD_TASKS, gap=1000 * LOW_LOAD_GAP, prices=prices().origin),
    )  # fmt: skip  # one line of headings reads better than one heading a line
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        setup = TrialSetup(stub, Path(directory))
        for system, likely in _systems(peers_python()):
            fast, naps, low = _trials(setup, system, likely, share)
            table.rows.append(_row(fast, naps, low))
            table.figures += [one.figures() | {"kind": kind} for kind, one in _kinds(fast, naps, low)]
    return [table]


def _systems(executable: str) -> list[tuple[System, float]]:
    """All systems, each with an estimate of its tasks a second."""
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


def _trials(setup: TrialSetup, system: System, likely: float, share: float) -> tuple[Trial, list[Trial], Trial]:
    seconds = TRIAL_SECONDS * share
    fast = run_trial(setup, system, max(FEWEST_TASKS, round(likely * seconds)), 0)
    naps = []
    for length in LENGTHS:
        # The time that a task takes a slot, by the first trial.
        each = 1 / fast.rate + length / 1000 / system.slots
        naps.append(run_trial(setup, system, max(FEWEST_TASKS, round(seconds / each)), length))
    return fast, naps, run_low_load(setup, system, max(FEWEST_TASKS, round(LOW_LOAD_TASKS * share)), LOW_LOAD_GAP)


def _kinds(fast: Trial, naps: list[Trial], low: Trial) -> list[tuple[str, Trial]]:
    # Waits behind a filled queue depend on the queue, not on the system.
    return [
        ("throughput", replace(fast, waits=())),
        *(("efficiency", replace(record_sleep, waits=())) for record_sleep in naps),
        ("low load", low),
    ]


def _row(fast: Trial, naps: list[Trial], low: Trial) -> tuple[Any, ...]:
    return (
        fast.system,
        f"{fast.rate:,.0f}",
        *(f"{record_sleep.efficiency:.1%}" for record_sleep in naps),
        f"{fast.cpu_milliseconds:.2f}",
        f"{fast.requests_a_task:.2f}",
        f"{fast.dollars_a_million:.2f}",
        f"{low.wait(50):.0f}",
        f"{low.wait(99):.0f}",
        f"{max(one.stub_share for one in (fast, *naps, low)):.0%}",
    )
