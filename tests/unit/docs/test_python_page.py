"""docs/python.md: its examples run unchanged on a fleet in memory, and its tables have the whole interface."""

import re
from dataclasses import fields
from functools import partial
from typing import Any

import pytest

import client
from client import Fleet, FleetRun, Result
from cloudkon.errors import PermanentFailure
from images.worker.testing import worker
from tests.support.pages import blocks, page, rows

TEXT = page("python.md")
EXAMPLES = blocks(TEXT, "python")


async def shout(arguments: str, _context: object) -> str:
    return arguments.upper()


async def fail(arguments: str, _context: object) -> str:
    raise PermanentFailure(f"it failed {arguments}")


@pytest.fixture
def no_fleet_but_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``Fleet()`` return a fleet in memory with the examples' handlers."""
    opened = partial(Fleet.in_memory, worker({"shout": shout, "fail": fail}, slots=4))
    vars(opened)["in_memory"] = Fleet.in_memory
    monkeypatch.setattr(client, "Fleet", opened, raising=False)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_runs(number: int, no_fleet_but_in_memory: None, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, Any] = {}
    # Later examples use what the first one imports.
    for text in ("from client import Fleet", EXAMPLES[number]):
        exec(compile(text, "docs/python.md", "exec"), found)
    for name in [name for name in found if name.startswith("test_")]:
        found[name]()
    written = capsys.readouterr().out
    assert ("print(" in EXAMPLES[number]) == bool(written)


def test_whole_interface_is_in_the_tables() -> None:
    named = {name for row in rows(TEXT, 2) for name in re.findall(r"`(\w+)(?:\(|`)", row[0])}
    public = {name for one in (Fleet, FleetRun) for name in vars(one) if not name.startswith("_")}
    assert public - {"in_memory"} == named - {"len"}
    assert "Fleet.in_memory" in TEXT


def test_every_result_field_and_exported_name_is_documented() -> None:
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", TEXT)) + "".join(EXAMPLES)))
    assert {one.name for one in fields(Result)} <= documented
    assert set(client.__all__) - {"Kind", "Tally", "FleetRun", "TaskFuture", "TaskState", "Result"} <= documented
