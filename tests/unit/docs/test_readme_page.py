"""README.md: its figures are the computed and measured ones, and it names every command and setting."""

import json
import re
from dataclasses import fields

import pytest

from client.cli.main import COMMANDS
from client.costs import estimate_cost
from cloudkon.settings import Settings
from fleet.cli.commands import fleet
from tests.support.pages import ROOT, rows, section

README = (ROOT / "README.md").read_text()


def test_costs_are_those_that_push_estimates() -> None:
    lines = {row[0]: row[1:] for row in rows(section(README, "What it costs"), 4)}
    for column, chunk in enumerate((1, 10, 50)):
        cost = estimate_cost(1_000_000, 1_000_000 // chunk, 12_000_000)
        shown = [float(lines[name][column].strip("$")) for name in ("SQS requests", "DynamoDB writes", "together")]
        assert shown == pytest.approx([cost.queues, cost.ledger, cost.total], abs=0.0051)


def test_machine_prices_are_those_of_the_operations_guide() -> None:
    guide = (ROOT / "docs/operations.md").read_text()
    for figure in ("$0.0975", "$6.77", "4 h 20 min"):
        assert figure in section(README, "What it costs")
        assert figure in guide


def test_peers_have_the_measured_figures() -> None:
    """After a new measurement by ``make bench``, this table must be updated."""
    kept = json.loads((ROOT / "docs/benchmarks/comparison.json").read_text())["tables"][0]
    shown = ["tasks/s of `sleep 0`", "efficiency, 10 ms", "requests/task", "$/M tasks", "push to start, p50 ms"]
    places = [0, *(kept["heads"].index(head) for head in shown)]
    measured = [[row[place] for place in places] for row in kept["rows"]]
    found = rows(section(README, "Beside others"), 6)
    assert len(found) >= 6
    assert all(row in measured for row in found), measured


def test_each_command_of_the_client_and_the_fleet_is_in_its_table() -> None:
    client = " ".join(row[1] for row in rows(section(README, "The client"), 2))
    assert set(COMMANDS) - {"completion"} == set(re.findall(r"`([a-z]+)\b[^`]*`", client)) & set(COMMANDS)
    first = " ".join(row[0] for row in rows(section(README, "The fleet"), 2))
    assert set(fleet.commands) == set(re.findall(r"`([a-z]+)\b[^`]*`", first))


def test_each_setting_is_in_the_table() -> None:
    named = {name for row in rows(section(README, "Settings"), 3) for name in re.findall(r"`([A-Z_]+)`", row[0])}
    assert {one.name.upper() for one in fields(Settings)} == named
