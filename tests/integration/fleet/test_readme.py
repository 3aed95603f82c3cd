"""The README's commands print what the page shows, on a machine that has nothing else."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.integration.fleet.conftest import CommandLine
from tests.support.emulator import ROOT
from tests.support.pages import blocks, section
from tests.support.transcript import Typed, answer, fixed, transcript

pytestmark = pytest.mark.long

README = (ROOT / "README.md").read_text()
TYPED = [typed for block in blocks(section(README, "Five commands"), "console") for typed in transcript(block)]
FAILS = {"python -m client failures"}
"""Commands whose exit code reports failed tasks; a ``check`` that shows failures does the same."""


@pytest.fixture
def newcomer(whole: CommandLine) -> CommandLine:
    """A new user's machine: an empty home, a folder of pictures, and default settings."""
    ours = {name: value for name, value in whole.environment.items() if name.startswith("CLOUDKON_EMULATOR")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"HOME": str(whole.directory), "PATH": path, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    photos = whole.directory / "photos"
    photos.mkdir()
    for number in range(6):
        Image.new("RGB", (640, 480), (40 * number, 80, 160)).save(photos / f"{number}.jpg")
    return replace(whole, environment=ours | environment)


def fails(typed: Typed) -> bool:
    return typed.command in FAILS or any(line.startswith("See what failed") for line in typed.shown)


@pytest.mark.timeout(600)
def test_every_command_prints_what_the_page_shows(newcomer: CommandLine) -> None:
    """Follow the page from the start to a drained run, a found and fixed failure, pulled videos, and the end."""
    for typed in TYPED:
        code, printed = answer(typed.command, newcomer.directory, newcomer.environment)
        assert sorted(map(fixed, printed)) == sorted(map(fixed, typed.shown)), typed.command
        assert code == int(fails(typed)), typed.command
    videos = sorted(path.name for path in (newcomer.directory / "videos").iterdir() if path.suffix == ".mp4")
    assert videos == ["0.mp4", "1.mp4"]
    assert "0.mp4" in (newcomer.directory / "videos/index.html").read_text()


def test_page_covers_every_step_from_up_to_down() -> None:
    commands = [typed.command for typed in TYPED]
    verbs = {word for command in commands for word in command.split()}
    assert {"up", "scale", "generate", "animoto", "push", "check", "failures", "retry", "results", "pull"} <= verbs
    assert commands[-1] == "python -m fleet down"
