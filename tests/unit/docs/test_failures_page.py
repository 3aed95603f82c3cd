"""docs/failures.md: each of its rows is complete, and the tests that show it, in failures_evidence.toml, exist."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.support.pages import ROOT, page, rows

TEXT = page("failures.md")
ROWS = rows(TEXT, 4)
EVIDENCE: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("failures_evidence.toml").read_text())
"""The tests that show a row, each as ``path::name``, by the row's first cell."""
REFERENCES = sorted({tuple(test.split("::")) for tests in EVIDENCE.values() for test in tests})


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a file's tests, without importing it."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("path", "name"), REFERENCES, ids=lambda part: part.rpartition("/")[2])
def test_each_named_test_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file(), f"failures_evidence.toml names {path}, which does not exist"
    assert name in names_in(path), f"failures_evidence.toml names {name}, which is not in {path}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_is_complete_and_shown_by_a_test(row: list[str]) -> None:
    assert all(row), "an empty cell"
    assert EVIDENCE.get(row[0]), "failures_evidence.toml names no test for this row"


def test_evidence_names_rows_of_the_page_only() -> None:
    assert set(EVIDENCE) == {row[0] for row in ROWS}


def test_no_row_is_overlooked() -> None:
    """A surplus bar makes a row of another width, which the tests above would not see."""
    tables = re.findall(r"^\| -.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()]
    assert len(lines) == len(ROWS)
    assert len({row[0] for row in ROWS}) == len(ROWS), "two rows have the same first cell"
