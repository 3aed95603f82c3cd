"""Measures the design's budgets: one worker of ours on the stub, three times for each trial."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness.bare_loops import bare_loop, bare_process
from benchmarks.harness.systems import BURN, CloudKon, TrialSetup
from benchmarks.harness.table import Budget, Table
from benchmarks.harness.trial import Trial, run_low_load, run_trial
from benchmarks.stub.stub_process import running_stub
from cloudkon.prices import prices

REPETITIONS: Final = 3
LEAST_TASKS: Final = 50
BARE_TASKS: Final = 200
LOW_LOAD_GAP: Final = 0.04
LOW_LOAD_TASKS: Final = 250
# System, number of tasks, milliseconds of each task: some six seconds where the budget is met.
EFFICIENT: Final = (CloudKon(), 600, 10)
CHUNKED: Final = (CloudKon(chunk=50), 4_000, 1)
BURNING: Final = (CloudKon(word=BURN), 600, 10)
FAST: Final = ((CloudKon(), 8_000), (CloudKon(chunk=10), 40_000), (CloudKon(chunk=50), 150_000))
WANTED_RATES: Final = (1_300, 9_000, 40_000)
_WAY: Final = (
    "; a task's way to its slot's process and back costs a turn of the loop and a wake-up of each, more if they slept"
)
HEADS: Final = (
    "trial",
    "chunk",
    "tasks/s",
    "efficiency",
    "slot busy",
    "CPU µs/task",
    "of them the loop",
    "CPU µs/request",
    "requests/task",
    "$/M tasks",
    "stub's core",
)


def measure(share: float) -> list[Table]:
    """Measure all budgets."""
    table = Table(
        "One worker on the stub",
        HEADS,
        f"One worker process with one slot; medians of {REPETITIONS}. Latencies are drawn from a fixed seed, with p16/"
        "p50/p84/p99 of 5/8.7/15/50 ms for SQS and 3/4.2/6/15 ms for DynamoDB. Tasks are pushed and the worker is "
        "started before the measurement. Time runs from the start of the first task to the end of the last; CPU and "
        "requests count until the last deletion. The loop is everything except the AWS calls, which boto3 makes in "
        "threads. Efficiency is the tasks' nominal time divided by the slot's time; the slot is busy while a task "
        f"runs, and a sleep ends a little late. Dollars are for the worker's requests, at {prices().origin}.",
    )
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        setup = TrialSetup(stub, Path(directory))
        _efficiencies(table, setup, share)
        _rates(table, setup, share)
        _latency(table, setup, share)
    return [table]


def _efficiencies(table: Table, setup: TrialSetup, share: float) -> None:
    for name, (system, tasks, milliseconds), wanted in (
        ("10 ms tasks", EFFICIENT, 0.97),
        ("1 ms tasks in chunks", CHUNKED, 0.80),
        ("10 ms tasks that hold the GIL", BURNING, 0.94),
    ):
        trials = _repeat(table, setup, system, _scaled(tasks, share), milliseconds)
        _add(table, name, system, trials)
        found = _median(trials, lambda one: one.efficiency)
        busy = _median(trials, lambda one: one.busy)
        bare, what = _bare(system, milliseconds / 1000)
        remark = f"the slot was busy for {busy:.1%}; {what} reaches {bare:.1%} on this machine"
        if system.word == BURN:
            remark += _WAY
        table.budgets.append(Budget(f"efficiency, {name}, one slot", wanted, found, ".1%", remark=remark))
        if system.chunk == 1 and system.word != BURN:
            requests = _median(trials, lambda one: one.requests_a_task)
            table.budgets.append(Budget(f"AWS requests a task, {name}, chunk 1", 0.5, requests, ".3f", least=False))


def _bare(system: CloudKon, seconds: float) -> tuple[float, str]:
    """The efficiency of the same tasks without queue, ledger and worker, and a description of the bare loop."""
    if system.word == BURN:
        rate, what = bare_process(BARE_TASKS, seconds), "a loop that makes another process compute"
    else:
        rate, what = bare_loop(BARE_TASKS, seconds), "a loop of `time.sleep`"
    return rate.tasks * seconds / rate.seconds, what


def _rates(table: Table, setup: TrialSetup, share: float) -> None:
    for (system, tasks), wanted in zip(FAST, WANTED_RATES, strict=True):
        name = f"sleep 0, chunk {system.chunk}"
        trials = _repeat(table, setup, system, _scaled(tasks, share), 0)
        _add(table, "sleep 0", system, trials)
        found = _median(trials, lambda one: one.rate)
        cpu = _median(trials, lambda one: one.cpu_milliseconds)
        loop = 1e6 * _median(trials, lambda one: one.loop_cpu / one.tasks)
        remark = (
            f"{1000 * cpu:,.0f} µs CPU a task allow {1000 / cpu:,.0f}/s a core: {loop:,.0f} µs in the worker's loop, "
            f"the rest in boto3, where a request takes {1e6 * _median(trials, _call_cpu):,.0f} µs"
        )
        table.budgets.append(Budget(f"tasks/s a core, {name}", wanted, found, ",.0f", remark=remark))
        if system.chunk == 1:
            requests = _median(trials, lambda one: one.requests_a_task)
            table.budgets.append(Budget(f"AWS requests a task, {name}", 0.5, requests, ".3f", least=False))


def _latency(table: Table, setup: TrialSetup, share: float) -> None:
    found = run_low_load(setup, CloudKon(), _scaled(LOW_LOAD_TASKS, share), LOW_LOAD_GAP)
    table.figures.append(found.figures())
    table.note += (
        f" At low load, with {found.tasks} tasks {1000 * LOW_LOAD_GAP:g} ms apart, push to start took "
        f"{found.wait(50):.0f} ms (p50; p99 {found.wait(99):.0f} ms): a send, the long poll's response, a claim."
    )


def _repeat(table: Table, setup: TrialSetup, system: CloudKon, tasks: int, milliseconds: int) -> list[Trial]:
    trials = [run_trial(setup, system, tasks, milliseconds) for _ in range(REPETITIONS)]
    table.figures += [one.figures() | {"chunk": system.chunk, "word": system.word} for one in trials]
    return trials


def _add(table: Table, name: str, system: CloudKon, trials: list[Trial]) -> None:
    efficiency = _median(trials, lambda one: one.efficiency)
    table.rows.append(
        (
            name,
            str(system.chunk),
            f"{_median(trials, lambda one: one.rate):,.0f}",
            f"{efficiency:.1%}" if efficiency else "",
            f"{_median(trials, lambda one: one.busy):.1%}" if efficiency else "",
            f"{1000 * _median(trials, lambda one: one.cpu_milliseconds):,.0f}",
            f"{1e6 * _median(trials, lambda one: one.loop_cpu / one.tasks):,.0f}",
            f"{1e6 * _median(trials, _call_cpu):,.0f}" if system.word != BURN else "",
            f"{_median(trials, lambda one: one.requests_a_task):.3f}",
            f"{_median(trials, lambda one: one.dollars_a_million):.2f}",
            f"{max(one.stub_share for one in trials):.0%}",
        )
    )


def _median(trials: list[Trial], figure: Callable[[Trial], float]) -> float:
    return median(figure(one) for one in trials)


def _call_cpu(found: Trial) -> float:
    """CPU seconds of a request: everything except the loop."""
    return (found.cpu - found.loop_cpu) / sum(found.requests.values())


def _scaled(tasks: int, share: float) -> int:
    return max(LEAST_TASKS, round(tasks * share))
