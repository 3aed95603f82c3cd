"""Saved tables can be read back, and a missed budget is reported."""

import json
from dataclasses import asdict

from benchmarks.harness.table import Budget, Table, read_tables


def test_budget_is_a_minimum_or_a_maximum() -> None:
    least = Budget("rate", 1300, 1299, ",.0f")
    most = Budget("requests", 0.5, 0.5, ".2f", least=False)
    assert not least.met
    assert most.met
    assert least.cells() == ("rate", "≥ 1,300", "1,299", "**no**", "")
    assert most.cells() == ("requests", "≤ 0.50", "0.50", "yes", "")


def test_tables_are_read_back_from_their_file() -> None:
    table = Table("t", ("a", "b"), "n", [("1", "2")], [Budget("x", 1, 2, ".0f")], [{"raw": 1}])
    found = json.loads(json.dumps({"tables": [asdict(table)]}))
    assert read_tables(found) == [table]
    assert "| 1 | 2 |" in table.markdown()
