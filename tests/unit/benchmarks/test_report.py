"""What a benchmark keeps can be read again, and a budget that is missed says so."""

import json
from dataclasses import asdict

from benchmarks.harness.table import Budget, Table, read_tables


def test_a_budget_is_judged_by_its_own_side() -> None:
    least = Budget("rate", 1300, 1299, ",.0f")
    most = Budget("requests", 0.5, 0.5, ".2f", least=False)
    assert not least.met
    assert most.met
    assert least.cells() == ("rate", "≥ 1,300", "1,299", "**no**", "")
    assert most.cells() == ("requests", "≤ 0.50", "0.50", "yes", "")


def test_tables_survive_their_file() -> None:
    table = Table("t", ("a", "b"), "n", [("1", "2")], [Budget("x", 1, 2, ".0f")], [{"raw": 1}])
    found = json.loads(json.dumps({"tables": [asdict(table)]}))
    assert read_tables(found) == [table]
    assert "| 1 | 2 |" in table.markdown()
