"""How the worker starts, and which error line and exit code it ends with if it can't."""

import json
import signal
from pathlib import Path

import pytest

from cloudkon.settings import Settings
from tests.integration.worker.programs import ROOT, Program, Programs
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.patience import until


def failure(program: Program) -> str:
    """Return the error in the program's only line."""
    (line,) = program.text.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["action"]) == ("error", "failed")
    return str(entry["error"])


def test_missing_fleet_is_named(settings: Settings, start: Programs) -> None:
    program = start.start(fleet="nosuchfleet")
    assert program.wait() == 2
    assert "nosuchfleet" in failure(program)


def test_unreachable_endpoint_is_named(start: Programs) -> None:
    program = start.start(endpoint_url="http://127.0.0.1:9")
    assert program.wait() == 1
    assert "127.0.0.1:9" in failure(program)


def test_missing_local_fleet_error_names_the_command(tmp_path: Path) -> None:
    program = Program(tmp_path / "log", {}, directory=tmp_path)
    assert program.wait() == 2
    assert "python -m fleet up" in failure(program)


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("CLOUDKON_SLOTS", "many", "setting CLOUDKON_SLOTS='many': it is not a whole number"),
        ("CLOUDKON_LEASE_SECONDS", "0", "setting CLOUDKON_LEASE_SECONDS: must be 1 to 36000"),
        ("CLOUDKON_TASKS_PER_PROCESS", "-1", "setting CLOUDKON_TASKS_PER_PROCESS: must not be negative"),
        ("AWS_ENDPOINT_URL", "localhost", "localhost"),
    ],
)
def test_invalid_setting_is_named(tmp_path: Path, variable: str, value: str, error: str) -> None:
    program = Program(tmp_path / "log", {variable: value})
    assert program.wait() == 2
    assert error in failure(program)


def test_idle_worker_ends_on_sigterm(start: Programs, fleet: EmulatedFleet) -> None:
    program = start.start()
    until(lambda: program.logged("started"))
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.lines[-1]["action"] == "ended"


def test_ctrl_c_drains_the_worker(start: Programs, fleet: EmulatedFleet, tmp_path: Path) -> None:
    note = tmp_path / "note"
    run = fleet.push(f"exec touch {note}; sleep 1.5")
    program = start.start(allow_exec=True)
    until(note.exists)
    program.signal(signal.SIGINT)
    assert program.wait() == 0
    assert fleet.states(run) == {"SUCCEEDED": 1}


def test_until_empty_ends_at_once_on_an_empty_queue(start: Programs, fleet: EmulatedFleet) -> None:
    program = start.start("--until-empty")
    assert program.wait() == 0


def test_local_mode_needs_no_server(tmp_path: Path) -> None:
    workload = tmp_path / "workload.txt"
    workload.write_text("sleep 10\n" * 40)
    program = Program(tmp_path / "log", {}, "--local", str(workload), "--slots", "4", "--json", directory=tmp_path)
    assert program.wait() == 0
    summary = json.loads(program.text)
    assert (summary["tasks"], summary["succeeded"]) == (40, 40)
    assert not (tmp_path / ".cloudkon").exists()


def test_local_mode_names_the_lines_that_it_cannot_run(tmp_path: Path) -> None:
    workload = tmp_path / "workload.txt"
    workload.write_text("sleep 10\nsleep ten\nfly\n")
    program = Program(tmp_path / "log", {}, "--local", str(workload))
    assert program.wait() == 2
    head, *lines = program.text.splitlines()
    assert head == f"error: {workload}: 2 lines can't be run"
    assert [line.split(":")[0].strip() for line in lines] == ["line 2", "line 3"]


def test_ctrl_c_ends_the_local_mode_with_one_line(tmp_path: Path) -> None:
    workload = tmp_path / "workload.txt"
    note = tmp_path / "note"
    workload.write_text(f"exec touch {note}; sleep 1000\n")
    program = Program(tmp_path / "log", {"CLOUDKON_ALLOW_EXEC": "yes"}, "--local", str(workload))
    until(note.exists)
    program.signal(signal.SIGINT)
    assert program.wait() == 130
    assert program.text == "interrupted: no results were kept. Run the command again\n"


def test_help_needs_no_fleet(tmp_path: Path) -> None:
    program = Program(tmp_path / "log", {}, "--help", directory=ROOT)
    assert program.wait() == 0
    assert "--until-empty" in program.text
