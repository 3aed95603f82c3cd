"""Trial: one run of a system's worker on the stub, from the moment the queue's gate opens to its last deletion.

The tasks are pushed before, without latency; the worker is started before too, and its long poll waits. So neither
the push nor the start of Python is in any figure.
"""

import time
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, Final

from benchmarks.harness.processes import cpu_seconds, loop_seconds, running
from benchmarks.harness.records import ChunkRecord
from benchmarks.harness.systems import Stand, System
from cloudkon.prices import prices

SETTLE_SECONDS: Final = 1.0
"""After a worker's first poll, until it has done all that its start brings along."""
LONGEST_SECONDS: Final = 300
_LOOK_SECONDS: Final = 0.05
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Trial:
    """What was seen. Times are in seconds."""

    system: str
    tasks: int
    milliseconds: int
    slots: int
    seconds: float
    """From the first task's start to the last one's end."""
    busy_seconds: float
    """Of all slots, from each task's start to its end."""
    cpu: float
    """Of the worker with its processes."""
    loop_cpu: float
    """Of the thread in which the worker's loop runs; the rest is the calls' threads and the slots' processes."""
    stub_share: float
    """Of a core that the stub took meanwhile: near 1 it would be the stub that was measured."""
    requests: dict[str, int]
    sqs_billed: int
    write_units: int
    read_units: float
    waits: tuple[float, ...]
    """From each task's send to its start, where that was noted; sorted."""

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds

    @property
    def efficiency(self) -> float:
        """The tasks' own time over the slots' time."""
        return self.tasks * self.milliseconds / 1000 / (self.seconds * self.slots)

    @property
    def busy(self) -> float:
        """The time in which tasks ran over the slots' time: what is left is the pipeline's, not a late timer's."""
        return self.busy_seconds / (self.seconds * self.slots)

    @property
    def cpu_milliseconds(self) -> float:
        """Of the worker, a task."""
        return 1000 * self.cpu / self.tasks

    @property
    def requests_a_task(self) -> float:
        """To AWS, of the worker."""
        return sum(self.requests.values()) / self.tasks

    @property
    def dollars_a_million(self) -> float:
        """What AWS charges for a million tasks' requests of the worker."""
        listed = prices()
        dollars = (
            self.sqs_billed * listed.sqs_request
            + self.write_units * listed.write_unit
            + self.read_units * listed.read_unit
        )
        return _MILLION * dollars / self.tasks

    def wait(self, percent: int) -> float:
        """Milliseconds from send to start that so many percent of the tasks did not exceed."""
        return 1000 * quantiles(self.waits, n=100, method="inclusive")[percent - 1]

    def figures(self) -> dict[str, Any]:
        """For the JSON file."""
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


def trial(stand: Stand, system: System, tasks: int, milliseconds: int) -> Trial:
    """Let a worker do so many sleeps that all lie ready."""
    _clear(stand, system)
    with stand.stub.swift():
        system.push(stand, tasks, milliseconds)
    with running(*_started(stand, system)) as worker:
        _settle(stand, system)
        before = _Snapshot.of(stand, worker)
        stand.stub.command("gate", queue=system.queue, closed=False)
        _wait_for_end(stand, system, tasks)
        after = _Snapshot.of(stand, worker)
    return _compare(stand, system, (tasks, milliseconds), before, after)


def low_load(stand: Stand, system: System, tasks: int, gap: float) -> Trial:
    """Let a worker that has nothing else to do take tasks that come one by one, ``gap`` seconds apart."""
    _clear(stand, system)
    stand.stub.command("gate", queue=system.queue, closed=False)
    with running(*_started(stand, system)) as worker:
        _settle(stand, system)
        before = _Snapshot.of(stand, worker)
        system.trickle(stand, tasks, gap)
        _wait_for_end(stand, system, tasks)
        after = _Snapshot.of(stand, worker)
    return _compare(stand, system, (tasks, 0), before, after)


def _started(stand: Stand, system: System) -> tuple[Any, ...]:
    command, environment = system.worker(stand)
    return command, stand.directory, environment


def _clear(stand: Stand, system: System) -> None:
    stand.records.unlink(missing_ok=True)
    stand.stub.command("reset")
    with stand.stub.swift():
        system.prepare(stand)
    stand.stub.command("gate", queue=system.queue, closed=True)


def _settle(stand: Stand, system: System) -> None:
    stand.stub.wait_for_poll(system.queue)
    time.sleep(SETTLE_SECONDS)


def _wait_for_end(stand: Stand, system: System, tasks: int) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    stand.stub.wait_until_drained(system.queue, LONGEST_SECONDS)
    while system.ended(stand) < tasks:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{system.name}: {system.ended(stand)} of {tasks} tasks ended in {LONGEST_SECONDS} s")
        time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    when: float
    cpu: float
    loop_cpu: float
    counts: dict[str, Any]

    @classmethod
    def of(cls, stand: Stand, worker: int) -> "_Snapshot":
        return cls(time.monotonic(), cpu_seconds(worker), loop_seconds(worker), stand.stub.counts())


def _compare(stand: Stand, system: System, asked: tuple[int, int], before: _Snapshot, after: _Snapshot) -> Trial:
    records: list[ChunkRecord] = system.records(stand)
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
