"""Nothing that a task detached on the local fleet survives its worker or ``down``, whatever was killed before."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.local.command_lines import WORKER_COMMAND
from fleet.local.processes.process import Process
from tests.integration.fleet.conftest import CommandLine
from tests.support import detaching
from tests.support.patience import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")


@pytest.fixture
def detaching_fleet(fleet: CommandLine) -> CommandLine:
    """A fleet whose workers detach processes of every kind, noted in ``note``."""
    command = f"{sys.executable} {detaching.__file__} {fleet.directory / 'note'}"
    return replace(fleet, environment=fleet.environment | {WORKER_COMMAND: command})


def _started(line: CommandLine) -> dict[str, Process]:
    """Start a fleet with one worker; return the processes that it has detached, by kind."""
    line.run("up")
    line.run("scale", "1")
    note = line.directory / "note"
    until(lambda: note.exists() and note.read_text().count("\n") == len(detaching.KINDS))
    found = {kind: Process.of(int(pid)) for kind, pid in (row.split() for row in note.read_text().splitlines())}
    assert all(found.values())
    return {kind: process for kind, process in found.items() if process}


def _alive(processes: dict[str, Process]) -> list[str]:
    return [kind for kind, process in processes.items() if process.is_alive()]


def _shim(line: CommandLine) -> Process:
    actual = line.state_dir.actual_state()
    assert actual
    shim = actual.pool("worker").members[0].shim
    assert shim
    return shim


@pytest.mark.long
def test_down_ends_what_workers_detached(detaching_fleet: CommandLine) -> None:
    detached = _started(detaching_fleet)
    detaching_fleet.run("down")
    assert _alive(detached) == []


@pytest.mark.long
@pytest.mark.parametrize("victim", ["worker", "shim"])
def test_restarted_worker_left_nothing_behind(detaching_fleet: CommandLine, victim: str) -> None:
    detached = _started(detaching_fleet)
    before = detaching_fleet.workers()["worker-1"]
    if victim == "worker":
        os.kill(before, signal.SIGKILL)
    else:
        _shim(detaching_fleet).send(signal.SIGKILL)
    until(lambda: detaching_fleet.workers().get("worker-1") not in (0, before))
    assert _alive(detached) == []
    assert detaching_fleet.status()["pools"]["worker"]["restarts"] >= 1


@pytest.mark.long
@pytest.mark.parametrize("command", ["up", "down"])
def test_what_workers_detached_ends_after_the_supervisor_was_killed(detaching_fleet: CommandLine, command: str) -> None:
    detached = _started(detaching_fleet)
    supervisor = detaching_fleet.supervisor()
    supervisor.send(signal.SIGKILL)
    until(lambda: not supervisor.is_alive())
    assert _alive(detached) == sorted(detached, key=list(detached).index), "they outlive the supervisor"
    detaching_fleet.run(command)
    assert _alive(detached) == []


@pytest.mark.long
def test_marked_leftovers_end_after_the_supervisor_and_a_shim_were_killed(detaching_fleet: CommandLine) -> None:
    detached = _started(detaching_fleet)
    shim, supervisor = _shim(detaching_fleet), detaching_fleet.supervisor()
    supervisor.send(signal.SIGKILL)
    until(lambda: not supervisor.is_alive())
    shim.send(signal.SIGKILL)
    until(lambda: not shim.is_alive())
    detaching_fleet.run("down")
    # Those that refuse inspection, or have no environment, can't be known any more.
    assert set(_alive(detached)) <= {"no-environment", "daemon"}
    for process in detached.values():
        process.send(signal.SIGKILL)


@pytest.mark.long
def test_down_ends_the_setsid_child_of_an_exec_task(whole: CommandLine) -> None:
    line = replace(whole, environment=whole.environment | {"CLOUDKON_ALLOW_EXEC": "yes"})
    line.run("up")
    line.run("scale", "1")
    note = line.directory / "pid"
    jobs = line.directory / "jobs.txt"
    jobs.write_text(f"exec setsid sleep 3600 >/dev/null 2>&1 & echo $! > {note}; sleep 3600\n")
    subprocess.run(
        [sys.executable, "-m", "client", "push", str(jobs)],
        cwd=line.directory,
        env=line.environment,
        check=True,
        timeout=PATIENCE,
        stdout=subprocess.DEVNULL,
    )
    until(lambda: note.exists() and note.read_text().strip())
    sleeper = Process.of(int(note.read_text()))
    assert sleeper
    assert Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n"
    line.run("down", CLOUDKON_STOP_SECONDS="1")
    assert not sleeper.is_alive()
