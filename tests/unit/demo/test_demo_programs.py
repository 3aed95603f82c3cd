"""The demo runs the programs without touching the user's own fleet, and reports failures plainly."""

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from demo.programs import CommandFailed, Programs
from demo.report import Outcome


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose modules ``python -m`` finds."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def programs(tmp_path: Path, screen: io.StringIO) -> Programs:
    return Programs(tmp_path / "demo", "/opt/ministack", Console(file=screen, width=200))


def test_demo_can_not_reach_the_users_own_fleet_and_account(
    modules: Path, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CLOUDKON_TARGET", "CLOUDKON_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "mine")
    (modules / "shows.py").write_text("import json, os; print(json.dumps(dict(os.environ)))")
    programs = Programs(modules / "demo", "/opt/ministack", Console(file=screen))
    seen = json.loads(programs.run("shows"))
    assert {name: value for name, value in seen.items() if name.startswith(("CLOUDKON_", "AWS_"))} == {
        "CLOUDKON_EMULATOR": "/opt/ministack",
        "CLOUDKON_FLEET": "demo",
        "CLOUDKON_STATE_DIR": str(modules / "demo"),
    }
    assert os.environ["AWS_PROFILE"] == "mine"


def test_each_command_is_shown_as_a_user_types_it(modules: Path, programs: Programs, screen: io.StringIO) -> None:
    (modules / "echoes.py").write_text("import sys; print(sys.argv[1:])")
    assert programs.run("echoes", 3, Path("a b")) == "['3', 'a b']\n"
    assert screen.getvalue() == "$ python -m echoes 3 'a b'\n"


def test_output_of_a_failing_command_is_shown(modules: Path, programs: Programs, screen: io.StringIO) -> None:
    (modules / "fails.py").write_text("import sys; sys.exit('error: [no] such thing')")
    with pytest.raises(CommandFailed, match="python -m fails now ended with exit code 1"):
        programs.run("fails", "now")
    assert "error: [no] such thing" in screen.getvalue()


def test_sleep_efficiency_uses_the_requested_time_and_others_the_busy_time() -> None:
    tally = {"tasks": 1000, "seconds": 5.0, "busy_seconds": 15.0}
    assert list(Outcome.of("sleep 10", 4, tally, 0.010).cells()) == ["sleep 10", "4", "1,000", "5.0", "200", "50%"]
    assert list(Outcome.of("animoto", 4, tally | {"tasks": 3}).cells()) == ["animoto", "4", "3", "5.0", "0.60", "75%"]
