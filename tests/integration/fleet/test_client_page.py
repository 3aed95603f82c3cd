"""docs/client.md: every command that it shows is typed, in order, and prints what the page shows."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cloudkon.errors import EXIT_FAILED, EXIT_OK
from tests.integration.fleet.conftest import CommandLine
from tests.support.pages import blocks, page
from tests.support.patience import until
from tests.support.transcript import Typed, answer, fixed, transcript

pytestmark = pytest.mark.long

TYPED = [typed for block in blocks(page("client.md"), "console") for typed in transcript(block)]
PREPARATION = {
    "python -m client slideshow": ["python -m fleet up", "python -m fleet scale 2"],
    "python -m client watch": ["python -m client generate 1200 sleep 50", "python -m client push"],
    "python -m client runs": ["CLOUDKON_HANDLERS=resize python -m client push jobs.txt --set jobs=jobs.csv --chunk 3"],
    "python -m client failures": ["echo exec false | python -m client push -", "python -m client check --wait || true"],
    "python -m client pull": [
        "python -m fleet scale 1 --pool animoto",
        "python -m client animoto 3 --pictures 2 --from beach.jpg -- --seconds 0.5 --size 320x240",
        "python -m client push",
        "python -m client check --wait",
    ],
}
"""Commands to run before those of the page that begin so, for the output that the page shows."""
CHANGING = {"watch", "runs", "status", "dlq", "bench"}
"""Commands whose counts vary, and that may print more than the page shows."""


@pytest.fixture
def reader(whole: CommandLine) -> CommandLine:
    """A user's machine with the pictures and tables that the page mentions."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = whole.environment | {"PATH": path, "COLUMNS": "100", "LANG": "C.UTF-8"}
    Image.new("RGB", (640, 480), (40, 80, 160)).save(whole.directory / "beach.jpg")
    (whole.directory / "jobs.csv").write_text("name,width\nbeach,320\nharbour,640\n")
    return replace(whole, environment=environment)


def type_in(reader: CommandLine, command: str) -> tuple[int, list[str]]:
    # For watch, the page shows the output on a terminal.
    more = {"FORCE_COLOR": "1"} if command.endswith("watch") else {}
    return answer(command, reader.directory, reader.environment | more)


def prepare(reader: CommandLine, typed: Typed) -> None:
    if typed.command.startswith("cat "):
        (reader.directory / typed.command.split()[1]).write_text("\n".join([*typed.shown, ""]))
    for begin in (begin for begin in PREPARATION if typed.command.startswith(begin)):
        for command in PREPARATION[begin]:
            code, printed = type_in(reader, command)
            assert code == EXIT_OK, printed
    if typed.command.startswith("python -m client runs"):
        until(lambda: dead_letters(reader) == 2)


def dead_letters(reader: CommandLine) -> int:
    _, printed = type_in(reader, "python -m client status --json")
    found: int = json.loads(printed[-1])["pools"]["worker"]["dead_letters"]
    return found


def last_run(reader: CommandLine) -> str:
    return (reader.state_dir.path / "pushes/last-local-cloudkon").read_text().strip()


@pytest.mark.timeout(600)
def test_commands_print_what_the_page_shows(reader: CommandLine) -> None:
    for typed in TYPED:
        prepare(reader, typed)
        command = re.sub(r"\b[0-9a-f]{11}\b", lambda _: last_run(reader), typed.command)
        code, printed = type_in(reader, command)
        verb = re.search(r"python -m client (\w+)", command)
        if verb and verb[1] in CHANGING:
            seen = {fixed(line, counts_too=True) for line in printed}
            assert {fixed(line, counts_too=True) for line in typed.shown} <= seen, command
        else:
            assert sorted(map(fixed, printed)) == sorted(map(fixed, typed.shown)), command
        assert code == (EXIT_FAILED if command.startswith("python -m client failures") else EXIT_OK), printed


def test_prepared_commands_are_on_the_page() -> None:
    """No preparation is left for a command that the page no longer has."""
    assert all(any(typed.command.startswith(begin) for typed in TYPED) for begin in PREPARATION)
