"""The operations guide names existing commands, and its tables equal the price list and the simulation."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]  # it ships no types

from client.cli.main import program as client
from client.costs import estimate_cost
from cloudkon.prices import prices
from fleet.aws.cost import Rate, fleet_cost
from fleet.aws.resources.auto_scaling_group import Ec2Instance
from fleet.aws.resources.compute_stack import TEMPLATE
from fleet.aws.resources.instance_types import InstanceType, Size
from fleet.cli.commands import fleet

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "operations.md").read_text(encoding="utf-8")
PROGRAMS = {"fleet": fleet, "client": client}
COMMANDS = sorted({found.strip() for found in re.findall(r"python -m ((?:fleet|client) [a-z][^`#&>\n]*)", GUIDE)})


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_and_option_exists(line: str) -> None:
    program, *words = shlex.split(line)
    command: click.Command | None = PROGRAMS[program]
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known


def test_guide_covers_the_whole_life_cycle() -> None:
    verbs = {line.split()[1] for line in COMMANDS if line.startswith("fleet")}
    assert verbs == set(fleet.commands)


def rows(first_cell: str) -> list[list[str]]:
    lines = [line for line in GUIDE.splitlines() if re.match(rf"\| {first_cell} \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def hour_of(type_: str, *, spot: bool = False) -> float:
    return fleet_cost([Ec2Instance("i-1", type_, "running", 0.0, spot=spot)], 30, Rate(0, 0), prices()).hour


def test_instance_table_equals_prices_and_capacity() -> None:
    found = rows(r"`[cm]\d[a-z]+\.\w+`(?: \(Graviton\))?")
    assert len(found) >= 6
    for name, vcpus, gib, workers, animoto, *costs in found:
        type_ = name.split("`")[1]
        size = InstanceType(type_, int(vcpus), int(gib) * 1024).size
        assert (size.holds(Size(512, 900)), size.holds(Size(1024, 1800))) == (int(workers), int(animoto)), type_
        dollars = [hour_of(type_), hour_of(type_, spot=True), hour_of(type_) / int(workers)]
        assert [float(cost) for cost in costs] == pytest.approx(dollars, abs=0.00006), type_


def test_autoscaling_table_equals_the_simulation() -> None:
    kept = json.loads((DOCS / "benchmarks/autoscaling.json").read_text(encoding="utf-8"))
    simulated = [[*row[:5], *row[7:]] for row in kept["tables"][0]["rows"]]
    found = [row for row in rows(r".+ \| (?:autoscaled.*|fixed \d+)") if len(row) == len(simulated[0])]
    assert len(found) >= 8
    assert all(row in simulated for row in found)


def test_request_costs_equal_pushs_estimate() -> None:
    found = rows(r"\d+ \| [\d,]+")
    assert [row[0] for row in found] == ["1", "10", "50"]
    for chunk, messages, *_, queues, ledger, together in found:
        cost = estimate_cost(1_000_000, 1_000_000 // int(chunk), 12_000_000)
        assert int(messages.replace(",", "")) == 1_000_000 // int(chunk)
        said = [float(cell.strip("*$")) for cell in (queues, ledger, together)]
        assert said == pytest.approx([cost.queues, cost.ledger, cost.total], abs=0.0051)


def test_request_costs_of_long_tasks_equal_pushs_estimate() -> None:
    text = " ".join((DOCS / "operations.md").read_text(encoding="utf-8").split())
    alone, in_tens = (estimate_cost(1_000_000, messages, 12_000_000, 1e6) for messages in (1_000_000, 100_000))
    assert f"**${alone.total:.2f}** at chunk 1 and **${in_tens.total:.2f}** at chunk 10" in text
    assert f"Requests add ${in_tens.total:.2f} at chunk 10" in text


def test_alarm_costs_follow_their_metrics() -> None:
    resources = loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]

    def metrics(of: list[dict[str, Any]]) -> int:
        return sum("MetricStat" in one for one in of)

    for pool in ("Worker", "Animoto"):
        tracking = resources[f"{pool}BacklogPolicy"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        # Application Auto Scaling creates two alarms for such a policy, each over all of its metrics.
        count = 2 * metrics(tracking["CustomizedMetricSpecification"]["Metrics"])
        for queue in (pool, f"{pool}High"):
            count += metrics(resources[f"{queue}WakeAlarm"]["Properties"]["Metrics"])
        assert f"for each pool four alarms over {count} metrics | ${count * 0.1:.2f} a pool" in GUIDE
