"""Processes are identified across reused pids, and found by their mark."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from fleet.local.processes import process_table as module
from fleet.local.processes.process import Process, marked, stop
from fleet.local.processes.process_table import MARK
from tests.support.patience import PATIENCE, until


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def _process_of(child: "subprocess.Popen[bytes]") -> Process:
    found = Process.of(child.pid)
    assert found
    return found


def test_running_process_is_alive_and_a_reaped_one_is_not(sleeper: "subprocess.Popen[bytes]") -> None:
    process = _process_of(sleeper)
    assert process.is_alive()
    sleeper.kill()
    sleeper.wait()
    assert not process.is_alive()
    assert Process.of(sleeper.pid) is None


def test_zombie_counts_as_ended(sleeper: "subprocess.Popen[bytes]") -> None:
    process = _process_of(sleeper)
    sleeper.kill()
    until(lambda: not process.is_alive())  # not reaped yet: a zombie


def test_process_that_reuses_a_recorded_pid_is_not_killed(sleeper: "subprocess.Popen[bytes]") -> None:
    stale = Process(sleeper.pid, "born before the last reboot")
    assert not stale.is_alive()
    stale.send(signal.SIGKILL)
    assert _process_of(sleeper).is_alive()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc, which this system does not have")
def test_program_name_with_brackets_and_spaces_is_parsed(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep
    odd = tmp_path / "a) R 1 (b"
    shutil.copy(sleep, odd)
    child = subprocess.Popen([odd, "600"])
    try:
        assert _process_of(child).is_alive()
        assert _process_of(child) == _process_of(child)
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(not shutil.which("ps"), reason="no ps here")
def test_ps_replaces_a_missing_proc(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "PROC", tmp_path / "none")
    process = _process_of(sleeper)
    assert process.is_alive()
    assert not Process(sleeper.pid, "another day").is_alive()
    assert marked([f"@{tmp_path}"]) == []
    sleeper.kill()
    sleeper.wait()
    assert not process.is_alive()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc, which this system does not have")
def test_marked_processes_are_found_by_name_and_directory(tmp_path: Path) -> None:
    environment = {**os.environ, MARK: f"worker-1@{tmp_path}"}
    # Its child leaves the session, and is found by the mark. No Python: in the images nobody can read its environment.
    child = subprocess.Popen(["sh", "-c", "setsid sleep 600; true"], env=environment)
    try:
        until(lambda: len(marked([f"@{tmp_path}"])) >= 2)
        assert len(marked([f"worker-1@{tmp_path}"])) == 2
        assert marked([f"worker-11@{tmp_path}"]) == []
        assert marked([f"@{tmp_path.parent}"]) == []
    finally:
        for process in marked([f"@{tmp_path}"]):
            process.send(signal.SIGKILL)
        child.wait()


def test_stop_sends_sigterm_first_and_kills_what_ignores_it(sleeper: "subprocess.Popen[bytes]") -> None:
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    trio.run(stop, [_process_of(child)], 0.2)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()

    trio.run(stop, [_process_of(sleeper)], PATIENCE)
    assert sleeper.wait() == -signal.SIGTERM
