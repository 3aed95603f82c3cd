"""docs/failures.md: each of its rows says all that it must, and names tests that there are."""

import ast
import re
from functools import cache

import pytest

from tests.support.pages import ROOT, page, rows

TEXT = page("failures.md")
ROWS = rows(TEXT, 5)
REFERENCE = re.compile(r"`([^`:]+)::([^`]+)`")
REFERENCES = sorted({(path, name) for row in ROWS for path, name in REFERENCE.findall(row[-1])})


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file, by reading and not by running it."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("path", "name"), REFERENCES, ids=lambda part: part.rpartition("/")[2])
def test_each_named_test_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file(), f"docs/failures.md names {path}, which is not there"
    assert name in names_in(path), f"docs/failures.md names {name}, which is not in {path}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_is_complete_and_shown_by_a_test(row: list[str]) -> None:
    assert all(row), "an empty cell"
    assert REFERENCE.search(row[-1]), "no test"
    assert not REFERENCE.sub("", row[-1]).strip(), "something else than tests in the last column"


def test_no_row_is_overlooked() -> None:
    """A bar too many makes a row of another width, which the tests above would not see."""
    lines = [line for line in TEXT.splitlines() if line.startswith("| ") and "::" in line]
    assert len(lines) == len(ROWS)
    assert len({row[0] for row in ROWS}) == len(ROWS), "a row twice"
