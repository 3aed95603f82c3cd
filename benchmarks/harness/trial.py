"""Runs one system's worker on the stub and measures it from the opening of the queue's gate to the last deletion.

The tasks are pushed before, without latency; the worker is also started before, and its long poll waits. So no figure
includes the push or the start of Python.
"""

import time
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, Final

from benchmarks.harness.processes import cpu_seconds, loop_seconds, running
from benchmarks.harness.records import Execution
from benchmarks.harness.systems import System, TrialSetup
from cloudkon.prices import prices

SETTLE_SECONDS: Final = 1.0
"""The wait after a worker's first poll, until its start is complete."""
LONGEST_SECONDS: Final = 300
_LOOK_SECONDS: Final = 0.05
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Trial:
    """The measurement of one trial. Times are in seconds."""

    system: str
    tasks: int
    milliseconds: int
    slots: int
    seconds: float
    """From the first task's start to the last one's end."""
    busy_seconds: float
    """The time of all tasks, from each task's start to its end."""
    cpu: float
    """CPU time of the worker and its child processes."""
    loop_cpu: float
    """CPU time of the worker's loop thread; the rest is in the threads of AWS calls and the slots' processes."""
    stub_share: float
    """The share of a core that the stub took: near 1, the trial would measure the stub."""
    requests: dict[str, int]
    sqs_billed: int
    write_units: int
    read_units: float
    waits: tuple[float, ...]
    """The times from each task's send to its start, sorted; empty where sends were not recorded."""

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds

    @property
    def efficiency(self) -> float:
        """The tasks' nominal time divided by the slots' time."""
        return self.tasks * self.milliseconds / 1000 / (self.seconds * self.slots)

    @property
    def busy(self) -> float:
        """The time in which tasks ran divided by the slots' time: the rest is the pipeline's, not a late timer's."""
        return self.busy_seconds / (self.seconds * self.slots)

    @property
    def cpu_milliseconds(self) -> float:
        """CPU milliseconds of the worker for each task."""
        return 1000 * self.cpu / self.tasks

    @property
    def requests_a_task(self) -> float:
        """The worker's AWS requests for each task."""
        return sum(self.requests.values()) / self.tasks

    @property
    def dollars_a_million(self) -> float:
        """What AWS charges for the worker's requests of a million tasks."""
        listed = prices()
        dollars = (
            self.sqs_billed * listed.sqs_request
            + self.write_units * listed.write_unit
            + self.read_units * listed.read_unit
        )
        return _MILLION * dollars / self.tasks

    def wait(self, percent: int) -> float:
        """A percentile of the milliseconds from send to start."""
        return 1000 * quantiles(self.waits, n=100, method="inclusive")[percent - 1]

    def figures(self) -> dict[str, Any]:
        """The raw data for the JSON file."""
        found: dict[str, Any] = {
            "system": self.system,
            "tasks": self.tasks,
            "milliseconds": self.milliseconds,
            "slots": self.slots,
            "seconds": round(self.seconds, 4),
            "tasks_per_second": round(self.rate, 2),
            "efficiency": round(self.efficiency, 4),
            "busy": round(self.busy, 4),
            "cpu_ms_a_task": round(self.cpu_milliseconds, 4),
            "loop_ms_a_task": round(1000 * self.loop_cpu / self.tasks, 4),
            "requests_a_task": round(self.requests_a_task, 4),
            "dollars_a_million": round(self.dollars_a_million, 4),
            "stub_share": round(self.stub_share, 3),
            "requests": self.requests,
        }
        if self.waits:
            found |= {"wait_p50_ms": round(self.wait(50), 2), "wait_p99_ms": round(self.wait(99), 2)}
        return found


def run_trial(setup: TrialSetup, system: System, tasks: int, milliseconds: int) -> Trial:
    """Measure a worker on ``tasks`` sleeps that are on the queue when it starts."""
    _clear(setup, system)
    with setup.stub.without_latency():
        system.push(setup, tasks, milliseconds)
    with running(*_started(setup, system)) as worker:
        _settle(setup, system)
        before = _Snapshot.of(setup, worker)
        setup.stub.command("gate", queue=system.queue, closed=False)
        _wait_for_end(setup, system, tasks)
        after = _Snapshot.of(setup, worker)
    return _compare(setup, system, (tasks, milliseconds), before, after)


def run_low_load(setup: TrialSetup, system: System, tasks: int, gap: float) -> Trial:
    """Measure an otherwise idle worker on tasks that are pushed one by one, ``gap`` seconds apart."""
    _clear(setup, system)
    setup.stub.command("gate", queue=system.queue, closed=False)
    with running(*_started(setup, system)) as worker:
        _settle(setup, system)
        before = _Snapshot.of(setup, worker)
        system.push_one_by_one(setup, tasks, gap)
        _wait_for_end(setup, system, tasks)
        after = _Snapshot.of(setup, worker)
    return _compare(setup, system, (tasks, 0), before, after)


def _started(setup: TrialSetup, system: System) -> tuple[Any, ...]:
    command, environment = system.worker(setup)
    return command, setup.directory, environment


def _clear(setup: TrialSetup, system: System) -> None:
    setup.records.unlink(missing_ok=True)
    setup.stub.command("reset")
    with setup.stub.without_latency():
        system.prepare(setup)
    setup.stub.command("gate", queue=system.queue, closed=True)


def _settle(setup: TrialSetup, system: System) -> None:
    setup.stub.wait_for_poll(system.queue)
    time.sleep(SETTLE_SECONDS)


def _wait_for_end(setup: TrialSetup, system: System, tasks: int) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    setup.stub.wait_until_drained(system.queue, LONGEST_SECONDS)
    while system.ended(setup) < tasks:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{system.name}: {system.ended(setup)} of {tasks} tasks ended in {LONGEST_SECONDS} s")
        time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    when: float
    cpu: float
    loop_cpu: float
    counts: dict[str, Any]

    @classmethod
    def of(cls, setup: TrialSetup, worker: int) -> "_Snapshot":
        return cls(time.monotonic(), cpu_seconds(worker), loop_seconds(worker), setup.stub.counts())


def _compare(setup: TrialSetup, system: System, asked: tuple[int, int], before: _Snapshot, after: _Snapshot) -> Trial:
    records: list[Execution] = system.records(setup)
    tasks, milliseconds = asked
    if len(records) != tasks:
        raise RuntimeError(f"{system.name}: {tasks} tasks were pushed and {len(records)} executions recorded")
    old, new = before.counts, after.counts
    requests = {name: count - old["requests"].get(name, 0) for name, count in new["requests"].items()}
    return Trial(
        system=system.name,
        tasks=tasks,
        milliseconds=milliseconds,
        slots=system.slots,
        seconds=max(one.ended for one in records) - min(one.started for one in records),
        busy_seconds=sum(one.ended - one.started for one in records),
        cpu=after.cpu - before.cpu,
        loop_cpu=after.loop_cpu - before.loop_cpu,
        stub_share=(new["cpu_seconds"] - old["cpu_seconds"]) / (after.when - before.when),
        requests={name: count for name, count in sorted(requests.items()) if count},
        sqs_billed=new["sqs_billed"] - old["sqs_billed"],
        write_units=new["write_units"] - old["write_units"],
        read_units=new["read_units"] - old["read_units"],
        waits=tuple(sorted(one.started - one.sent for one in records if one.sent)),
    )
