"""Simulates one load on one fleet, from the first push to the end of the load's hours."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from benchmarks.scaling.cloudwatch import MINUTE, QUEUE_LATE, WOKEN_LATE, Metrics
from benchmarks.scaling.cluster import Cluster, Instance
from benchmarks.scaling.compute_template import Scaling
from benchmarks.scaling.loads import HOUR, Load
from benchmarks.scaling.service_scaling import ServiceScaling
from benchmarks.scaling.simulated_queue import SimulatedQueue

STEP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet of ``fixed`` workers, or, if that is 0, one that autoscales up to ``most`` workers.

    ``push_wakes``: whether ``client push`` wakes a fleet at zero workers, or only the alarm does.
    """

    scaling: Scaling
    most: int = 64
    instances: int = 16
    fixed: int = 0
    push_wakes: bool = True
    queue_late: float = QUEUE_LATE
    from_running: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at one minute."""

    minute: int
    backlog: int
    wanted: int
    running: int
    instances: int


@dataclass
class SimulationResult:
    """The result. ``first`` task and ``drained`` are in seconds from the first push, ``None`` if it never happened."""

    samples: list[Sample] = field(default_factory=list)
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    first: float | None = None
    drained: float | None = None
    instance_hours: float = 0.0

    @property
    def most_wanted(self) -> int:
        """The largest number of workers wanted."""
        return max(sample.wanted for sample in self.samples)

    @property
    def most_instances(self) -> int:
        """The largest number of instances."""
        return max(sample.instances for sample in self.samples)

    @property
    def reversals(self) -> int:
        """How often the count changed its direction."""
        ways = [after > before for _, before, after in self.changes]
        return sum(one != other for one, other in pairwise(ways))


def simulate(load: Load, fleet: Fleet) -> SimulationResult:
    """Simulate a load on a fleet."""
    queue, result = SimulatedQueue(load.message_seconds), SimulationResult()
    cluster = Cluster(fleet.scaling, fleet.instances, queue, load.boot_seconds)
    service = ServiceScaling(
        fleet.scaling, fleet.fixed or fleet.most, fleet.fixed, fleet.fixed, from_running=fleet.from_running
    )
    metrics = Metrics(queue_late=fleet.queue_late, silent_until=WOKEN_LATE if load.inactive else 0.0)
    if fleet.fixed:
        _place_fixed(cluster, fleet.fixed)
    _fill_hour_before(metrics, load, fleet.fixed)
    pushed, in_flight, losses = 0, 0.0, list(load.losses)
    for now in range(0, int(load.hours * HOUR), STEP_SECONDS):
        new = int(load.pushed(now)) - pushed
        pushed, queue.visible = pushed + new, queue.visible + new
        if new and fleet.push_wakes and not service.count:
            service.set(now, max(1, math.ceil(new / fleet.scaling.target)))
        if now % MINUTE == 0:
            if now:
                # A worker receives several times a minute, unless it is busy: then its messages are in flight.
                receives = {"received": 0, "empty": cluster.running(now)}
                metrics.put_queue(
                    now, visible=queue.visible, inflight=in_flight, visible_high=0, inflight_high=0, **receives
                )
                metrics.put_insights(now, desired=service.count, running=cluster.running(now))
                service.evaluate(now, metrics, cluster.running(now))
            result.samples.append(
                Sample(
                    now // MINUTE,
                    queue.visible + queue.in_flight,
                    service.count,
                    cluster.running(now),
                    len(cluster.instances),
                )
            )
        while losses and losses[0] <= now:
            cluster.lose(int(losses.pop(0)))
        cluster.want(service.count)
        cluster.place(now)
        if now % MINUTE == 0:
            cluster.evaluate(now)
        result.instance_hours += len(cluster.instances) * STEP_SECONDS / HOUR
        in_flight = cluster.work(now, STEP_SECONDS)
    result.changes, result.first = service.changes, queue.first
    result.drained = None if queue.visible + queue.in_flight else queue.last
    return result


def _fill_hour_before(metrics: Metrics, load: Load, count: int) -> None:
    """Put the metrics of the hour before: an empty queue, with metrics only if it was active; a constant service."""
    for before in range(-HOUR, 0, MINUTE):
        metrics.put_insights(before, desired=count, running=count)
        if not load.inactive:
            metrics.put_queue(before, visible=0, inflight=0, visible_high=0, inflight_high=0, received=0, empty=count)


def _place_fixed(cluster: Cluster, count: int) -> None:
    """Start with the instances and workers that a fixed count needs."""
    cluster.instances = [Instance(-HOUR) for _ in range(math.ceil(count / cluster.scaling.holds))]
    cluster.want(count)
    cluster.place(-HOUR)
