"""A command touches only what belongs to its own fleet and its own state directory."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.aws import connect
from cloudkon.errors import NoFleet
from cloudkon.model import Outgoing
from tests.integration.fleet.conftest import CommandLine
from tests.support.emulator import missing
from tests.support.patience import until

COMMANDS = [["up"], ["scale", "1"], ["status"], ["logs"], ["down"], ["down", "--delete-data"]]


def _copy(line: CommandLine, directory: Path, options: str = "-a") -> CommandLine:
    directory.mkdir()
    subprocess.run(["cp", options, str(line.state_dir.path), str(directory)], check=True)
    return replace(line, directory=directory)


def _refusal(line: CommandLine, *arguments: str) -> str:
    return line.run(*arguments, code=2, CLOUDKON_FLEET="two")[1]


@pytest.mark.long
def test_every_command_refuses_a_directory_of_another_fleet(fleet: CommandLine) -> None:
    endpoint = fleet.run("up")[0].strip()
    before = fleet.processes()
    for arguments in COMMANDS:
        err = _refusal(fleet, *arguments)
        assert "fleet 'two': " in err
        assert "belongs to the fleet 'cloudkon'" in err
        assert "CLOUDKON_STATE_DIR" in err
    assert fleet.processes() == before
    assert fleet.status()["endpoint_url"] == endpoint


@pytest.mark.long
def test_data_of_a_stopped_fleet_is_refused_to_another_one_until_it_is_deleted(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("down")
    for arguments in COMMANDS:
        assert "fleet down --delete-data" in _refusal(fleet, *arguments)
    assert fleet.state_dir.data.exists()
    fleet.run("down", "--delete-data")
    fleet.run("up", CLOUDKON_FLEET="two")
    assert "belongs to the fleet 'two'" in fleet.run("up", code=2)[1]
    fleet.run("down", "--delete-data", CLOUDKON_FLEET="two")


@pytest.mark.long
def test_copied_directory_gets_a_fleet_of_its_own_with_the_copied_data(fleet: CommandLine) -> None:
    fleet.run("up")
    trio.run(connect(fleet.settings).queues["worker"].send, [Outgoing("kept")])
    fleet.run("down")  # so that the emulator has saved its data
    endpoint = fleet.run("up")[0].strip()
    fleet.run("scale", "1")
    before = sorted(process.pid for process in fleet.processes())

    copy = _copy(fleet, fleet.directory / "copy")
    assert "no local fleet is up here" in copy.run("status", code=2)[1]
    assert "no local fleet is up here" in copy.run("scale", "2", code=2)[1]
    with pytest.raises(NoFleet):
        copy.settings.service_endpoint()
    other, err = copy.run("up")
    assert f"this directory is a copy of {fleet.state_dir.path}" in err
    assert other.strip() != endpoint
    assert copy.workers() == {}
    received = trio.run(connect(copy.settings).queues["worker"].receive, 10, 0, 0)
    assert [one.body for one in received] == ["kept"]
    copy.run("down", "--delete-data")

    assert sorted(process.pid for process in fleet.processes()) == before
    assert fleet.status()["pools"]["worker"]["running"] == 1
    assert trio.run(connect(fleet.settings).queues["worker"].depth).visible == 1


def test_down_in_a_copied_directory_leaves_the_original_alone(fleet: CommandLine) -> None:
    fleet.run("up")
    before = sorted(process.pid for process in fleet.processes())
    for options in ("-a", "-al"):
        copy = _copy(fleet, fleet.directory / f"copy{options}", options)
        copy.run("down", "--delete-data")
    assert sorted(process.pid for process in fleet.processes()) == before
    assert fleet.status()["problems"] == []

    link = fleet.directory / "link"
    link.symlink_to(fleet.state_dir.path)
    err = fleet.run("up", CLOUDKON_STATE_DIR=str(link))[1]
    assert "copy" not in err
    assert "settings" not in err
    fleet.run("down", CLOUDKON_STATE_DIR=str(link))
    assert fleet.processes() == []


def _in_another_pid_namespace(line: CommandLine, *arguments: str) -> tuple[int, str, str]:
    """Run a command where no process of the fleet is visible; return its exit code, stdout and stderr."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        missing("no PID namespace can be made here")
    program = [*unshare, sys.executable, "-m", "fleet", *arguments]
    ended = subprocess.run(
        program, cwd=line.directory, env=line.environment, check=False, capture_output=True, text=True
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.long
def test_running_fleet_is_not_touched_by_down_from_another_pid_namespace(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("scale", "1")
    before = fleet.processes()
    code, _, err = _in_another_pid_namespace(fleet, "down", "--delete-data")
    assert code == 1
    assert "its processes can't be seen from here" in err
    assert "Run this command where up was run" in err
    assert fleet.processes() == before

    # The supervisor carries these out, wherever they are run.
    assert _in_another_pid_namespace(fleet, "scale", "2")[0] == 0
    status = json.loads(_in_another_pid_namespace(fleet, "status", "--json")[1])
    assert status["pools"]["worker"]["running"] == 2
    assert "can't be seen from here" in status["problems"][0]

    # Without its supervisor, no lock is held. The emulator still answers.
    fleet.supervisor().send(signal.SIGKILL)
    until(lambda: not fleet.supervisor().is_alive())
    left = fleet.processes()
    code, _, err = _in_another_pid_namespace(fleet, "up")
    assert code == 1
    assert "the emulator of this fleet still answers" in err
    assert fleet.processes() == left


@pytest.mark.long
def test_moved_directory_keeps_its_fleet(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("down")
    moved = fleet.directory / "moved"
    moved.mkdir()
    shutil.move(fleet.state_dir.path, moved)
    line = replace(fleet, directory=moved)
    assert "copy" not in line.run("up")[1]
    line.run("down")
