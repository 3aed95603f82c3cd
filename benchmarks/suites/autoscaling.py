"""Compares the compute template's scaling by backlog with other policies and with a fixed count, by simulation.

Nothing here runs on AWS. ``benchmarks.scaling`` simulates AWS's rules and names the AWS document of each; the numbers
and the metric math are the template's own.
"""

from dataclasses import replace
from typing import Final

from benchmarks.harness.table import Table
from benchmarks.scaling.compute_template import MACHINE, Scaling, read_scaling
from benchmarks.scaling.loads import BURSTS, LOADS, LONG, SMALL, STEADY, STEP, Load
from benchmarks.scaling.simulation import Fleet, SimulationResult, simulate
from cloudkon.prices import prices
from fleet.aws.cost import Rate, fleet_cost
from fleet.aws.resources.auto_scaling_group import Ec2Instance

MINUTE: Final = 60
FIXED: Final = 16
LONG_TARGET: Final = 4
"""``--per-worker`` for messages of ten minutes."""
AUTOSCALED: Final = "autoscaled"
PLOTTED: Final = {STEP: 75, BURSTS: 150, STEADY: 180}
"""The plotted loads, each with the number of minutes to plot."""
HEADS: Final = ("load", "fleet", "first task, min", "drained, min", "workers", "instances", "turns", "hours", "$")


def gaps_as_zero(scaling: Scaling) -> Scaling:
    """Messages for each desired worker, with gaps filled by zeros: the template's first version."""
    return replace(
        scaling,
        backlog="(FILL(visible, 0) + FILL(inflight, 0)) / IF(FILL(desired, 0) > 1, FILL(desired, 0), 1)",
        asleep="IF(FILL(visible, 0) > 0 AND FILL(desired, 0) < 1, 1, 0)",
        wake_points=1,
    )


def per_wanted_worker(scaling: Scaling) -> Scaling:
    """Messages for each desired worker."""
    return replace(scaling, backlog="(visible + inflight) / IF(desired > 1, desired, 1)")


def per_running_worker(scaling: Scaling) -> Scaling:
    """Messages for each running worker, as in most recipes."""
    return replace(scaling, backlog="(visible + inflight) / IF(running > 1, running, 1)")


def machine_hour() -> float:
    """The price of an On-Demand instance with its volume and address, in dollars an hour."""
    machine = Ec2Instance("i-1", MACHINE.name, "running", 0.0, spot=False)
    return fleet_cost([machine], read_scaling().volume_gib, Rate(0, 0), prices()).hour


def measure(share: float) -> list[Table]:
    """Simulate all loads with the template's policy and with the rejected policies; ``share`` has no effect."""
    del share  # the whole simulation takes seconds
    scaling = read_scaling()
    note = (
        "Simulated, not run on AWS. Metrics come one or two minutes late, and a quarter of an hour late at first on a "
        "queue that was idle for more than six hours. Instances boot in three minutes, the first two together. At most "
        f"64 workers on 16 instances of {MACHINE.name}, with --per-worker {scaling.target:.0f} unless the row names "
        "another. Minutes are from the first push; turns count how often the desired number of workers changed its "
        "direction; hours and dollars are those of the instances until the end of the simulation, On-Demand, "
        f"{prices().origin}."
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
        "The same, with metrics that the template does not use. Steps start from the running workers, as the ECS "
        "guide says, or, where the row says so, from the desired workers.",
    )
    for load in (SMALL, STEP, STEADY):
        for name, other, push, from_running in (
            ("the template's", scaling, True, True),
            ("the template's, steps from the wanted", scaling, True, False),
            ("messages ÷ wanted", per_wanted_worker(scaling), True, True),
            ("messages ÷ wanted, woken by the alarm", per_wanted_worker(scaling), False, True),
            ("messages ÷ running, woken by the alarm", per_running_worker(scaling), False, True),
            (
                "messages ÷ running, woken by the alarm, steps from the wanted",
                per_running_worker(scaling),
                False,
                False,
            ),
            ("messages ÷ wanted, gaps filled with 0", gaps_as_zero(scaling), True, True),
        ):
            _add(others, load, name, Fleet(other, push_wakes=push, from_running=from_running))
    return [loads, others]


def _add(table: Table, load: Load, name: str, fleet: Fleet) -> None:
    result = simulate(load, fleet)
    table.rows.append(
        (
            load.name,
            name,
            _minutes(result.first),
            _minutes(result.drained),
            f"{result.most_wanted}",
            f"{result.most_instances}",
            f"{result.reversals}",
            f"{result.instance_hours:.1f}",
            f"{result.instance_hours * machine_hour():.2f}",
        )
    )
    figures = {"kind": "autoscaling", "load": load.name, "fleet": name, **_figures(result)}
    if name == AUTOSCALED and load in PLOTTED:
        figures["minutes"] = _minute_lines(result, PLOTTED[load])
    table.figures.append(figures)


def _minutes(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds / MINUTE:.0f}"


def _figures(result: SimulationResult) -> dict[str, object]:
    return {
        "first_seconds": result.first,
        "drained_seconds": result.drained,
        "most_workers": result.most_wanted,
        "most_instances": result.most_instances,
        "turns": result.reversals,
        "instance_hours": round(result.instance_hours, 2),
        "dollars": round(result.instance_hours * machine_hour(), 2),
    }


def _minute_lines(result: SimulationResult, minutes: int) -> list[str]:
    """One line a minute for the plot: minute, messages, desired workers, running workers, instances."""
    return [
        f"{sample.minute} {sample.backlog} {sample.wanted} {sample.running} {sample.instances}"
        for sample in result.samples[:minutes]
    ]
