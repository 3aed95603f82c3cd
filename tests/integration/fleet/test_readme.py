"""The README's commands, typed one after the other by somebody who has nothing but this page, answer as it says."""

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

README = (ROOT / "README.md").read_text()
TYPED = [typed for block in blocks(section(README, "Five commands"), "console") for typed in transcript(block)]
FAILS = {"python -m client failures"}
"""Commands whose exit code says that tasks failed; so does that of a ``check`` that shows failures."""


@pytest.fixture
def newcomer(whole: CommandLine) -> CommandLine:
    """Somebody's machine: an empty home, a folder of pictures, and the defaults of every setting."""
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
def test_every_command_answers_as_the_page_says(newcomer: CommandLine) -> None:
    """From nothing to a drained run, a failure that is found and mended, videos that are pulled, and nothing left."""
    for typed in TYPED:
        code, said = answer(typed.command, newcomer.directory, newcomer.environment)
        assert sorted(map(fixed, said)) == sorted(map(fixed, typed.shown)), typed.command
        assert code == int(fails(typed)), typed.command
    videos = sorted(path.name for path in (newcomer.directory / "videos").iterdir() if path.suffix == ".mp4")
    assert videos == ["0.mp4", "1.mp4"]
    assert "0.mp4" in (newcomer.directory / "videos/index.html").read_text()


def test_the_page_goes_all_the_way() -> None:
    commands = [typed.command for typed in TYPED]
    verbs = {word for command in commands for word in command.split()}
    assert {"up", "scale", "generate", "animoto", "push", "check", "failures", "retry", "results", "pull"} <= verbs
    assert commands[-1] == "python -m fleet down"
