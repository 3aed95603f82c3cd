"""Autoscaling: the compute template's scaling by backlog, simulated, beside others and beside a fixed count.

Nothing here runs on AWS. What is simulated is in ``benchmarks.scaling``, each rule with AWS's document it is from; the
numbers and the metric math are the template's own.
"""

from dataclasses import replace
from typing import Final

from benchmarks.harness.table import Table
from benchmarks.scaling.life import Fleet, Life, live
from benchmarks.scaling.load import BURSTS, LOADS, LONG, SMALL, STEADY, STEP, Load
from benchmarks.scaling.template import MACHINE, Scaling, read_scaling
from cloudkon.prices import prices
from fleet.aws.cost import Rate, fleet_cost
from fleet.aws.resources.auto_scaling_group import Ec2Instance

MINUTE: Final = 60
FIXED: Final = 16
LONG_TARGET: Final = 4
"""``--per-worker`` for messages of ten minutes."""
AUTOSCALED: Final = "autoscaled"
PLOTTED: Final = {STEP: 75, BURSTS: 150, STEADY: 180}
"""Loads that are plotted, each with how many minutes of it."""
HEADS: Final = ("load", "fleet", "first task, min", "drained, min", "workers", "instances", "turns", "hours", "$")


def filled(scaling: Scaling) -> Scaling:
    """Messages a worker that is wanted, gaps filled with zeros: how this template began."""
    return replace(
        scaling,
        backlog="(FILL(visible, 0) + FILL(inflight, 0)) / IF(FILL(desired, 0) > 1, FILL(desired, 0), 1)",
        asleep="IF(FILL(visible, 0) > 0 AND FILL(desired, 0) < 1, 1, 0)",
        wake_points=1,
    )


def by_wanted(scaling: Scaling) -> Scaling:
    """Messages a worker that is wanted."""
    return replace(scaling, backlog="(visible + inflight) / IF(desired > 1, desired, 1)")


def by_running(scaling: Scaling) -> Scaling:
    """Messages a worker that runs, as most recipes have it."""
    return replace(scaling, backlog="(visible + inflight) / IF(running > 1, running, 1)")


def hourly_price() -> float:
    """Dollars an hour of an On-Demand instance with its volume and address."""
    machine = Ec2Instance("i-1", MACHINE.name, "running", 0.0, spot=False)
    return fleet_cost([machine], read_scaling().volume_gib, Rate(0, 0), prices()).hour


def measure(share: float) -> list[Table]:
    """All loads with the template's policy, and the policies that were not taken; ``share`` changes nothing."""
    del share  # it is a simulation of seconds
    scaling = read_scaling()
    note = (
        "Simulated, not run on AWS: metrics one and two minutes late, and a quarter of an hour at first on a queue "
        "that was idle for more than six hours; instances boot in three minutes, two at first. At most 64 workers on "
        f"16 instances of {MACHINE.name}, --per-worker {scaling.target:.0f} unless another is named. Minutes from the "
        "first push; turns count how often the number of workers wanted went the other way than before; hours and "
        "dollars are the "
        f"instances', On-Demand, {prices().origin}, until the end of the time looked at."
    )
    loads = Table("Autoscaling", HEADS, note)
    for load in LOADS:
        _add(loads, load, AUTOSCALED, Fleet(scaling))
        _add(loads, load, f"{AUTOSCALED}, woken by the alarm alone", Fleet(scaling, push_wakes=False))
        if load is LONG:
            _add(
                loads,
                load,
                f"{AUTOSCALED}, --per-worker {LONG_TARGET}",
                Fleet(read_scaling(WorkerPerWorker=LONG_TARGET)),
            )
        _add(loads, load, f"fixed {FIXED}", Fleet(scaling, fixed=FIXED))
    others = Table(
        "Autoscaling by other metrics",
        HEADS,
        "The same, with metrics that the template does not use. Steps begin from the workers that run, as the ECS "
        "guide says, or, where it is named, from those that are wanted.",
    )
    for load in (SMALL, STEP, STEADY):
        for name, other, push, from_running in (
            ("the template's", scaling, True, True),
            ("the template's, steps from the wanted", scaling, True, False),
            ("messages ÷ wanted", by_wanted(scaling), True, True),
            ("messages ÷ wanted, woken by the alarm", by_wanted(scaling), False, True),
            ("messages ÷ running, woken by the alarm", by_running(scaling), False, True),
            ("messages ÷ running, woken by the alarm, steps from the wanted", by_running(scaling), False, False),
            ("messages ÷ wanted, gaps filled with 0", filled(scaling), True, True),
        ):
            _add(others, load, name, Fleet(other, push_wakes=push, from_running=from_running))
    return [loads, others]


def _add(table: Table, load: Load, name: str, fleet: Fleet) -> None:
    life = live(load, fleet)
    table.rows.append(
        (
            load.name,
            name,
            _minutes(life.first),
            _minutes(life.drained),
            f"{life.most_wanted}",
            f"{life.most_instances}",
            f"{life.turns}",
            f"{life.instance_hours:.1f}",
            f"{life.instance_hours * hourly_price():.2f}",
        )
    )
    figures = {"kind": "autoscaling", "load": load.name, "fleet": name, **_figures(life)}
    if name == AUTOSCALED and load in PLOTTED:
        figures["minutes"] = _drawn(life, PLOTTED[load])
    table.figures.append(figures)


def _minutes(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds / MINUTE:.0f}"


def _figures(life: Life) -> dict[str, object]:
    return {
        "first_seconds": life.first,
        "drained_seconds": life.drained,
        "most_workers": life.most_wanted,
        "most_instances": life.most_instances,
        "turns": life.turns,
        "instance_hours": round(life.instance_hours, 2),
        "dollars": round(life.instance_hours * hourly_price(), 2),
    }


def _drawn(life: Life, minutes: int) -> list[str]:
    """A line a minute, to be plotted: minute, messages, workers wanted, workers running, instances."""
    return [
        f"{look.minute} {look.backlog} {look.wanted} {look.running} {look.instances}" for look in life.looks[:minutes]
    ]
