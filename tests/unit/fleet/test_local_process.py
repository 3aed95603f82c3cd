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

from cloudkon.programs import module as module_name
from fleet.local.processes import marks
from fleet.local.processes import process_table as module
from fleet.local.processes.marks import SHIM, is_shim, mark_of
from fleet.local.processes.process import Process, marked, session_members, stop
from fleet.local.processes.process_table import MARK, arguments_of
from tests.support.patience import PATIENCE, until

NEEDS_PROC = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="reads /proc, which this system does not have"
)
NOBODY = 65534


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


@NEEDS_PROC
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


@NEEDS_PROC
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


@NEEDS_PROC
def test_program_with_a_mark_among_its_arguments_is_not_of_the_fleet(tmp_path: Path) -> None:
    """As an editor, ``pgrep -f`` or ``grep`` may have it."""
    child = subprocess.Popen(["python", "-c", "input()", f"worker-1@{tmp_path}"], executable=sys.executable, stdin=-1)
    try:
        until(lambda: arguments_of(child.pid)[-1:] == [f"worker-1@{tmp_path}"])
        assert marked([f"@{tmp_path}"]) == []
    finally:
        child.kill()
        child.communicate()


@NEEDS_PROC
@pytest.mark.parametrize(
    ("line", "has_mark", "shim"),
    [
        (["python", "-m", SHIM, "a@1"], True, True),
        (["python", "-m", module_name("fleet.local"), "a@1"], True, False),
        (["python", "-m", module_name("fleet.cli"), "a@1"], False, False),
        (["python", SHIM, "a@1"], False, False),
        (["python", "-m", "pdb", "-m", SHIM, "a@1"], False, False),
        (["pgrep", "-f", "a@1"], False, False),
        ([], False, False),
    ],
    ids=["shim", "supervisor", "another module", "argument", "argument of another module", "search", "gone"],
)
def test_mark_counts_only_as_the_argument_of_a_program_of_the_fleet(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, line: list[str], has_mark: bool, shim: bool
) -> None:
    monkeypatch.setattr(marks, "arguments_of", lambda _: line)
    assert (mark_of(sleeper.pid), is_shim(sleeper.pid)) == ("a@1" if has_mark else "", shim)


@NEEDS_PROC
@pytest.mark.skipif(os.getuid() != 0, reason="only root can run a process as another user")
def test_process_of_another_user_is_not_of_the_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(
        ["sleep", "600"], env={MARK: f"worker-1@{tmp_path}"}, user=NOBODY, extra_groups=[], start_new_session=True
    )
    try:
        until(lambda: arguments_of(child.pid) == ["sleep", "600"])
        assert marked([f"@{tmp_path}"]) == []
        assert session_members([_process_of(child)]) == []
        monkeypatch.setattr(marks, "arguments_of", lambda _: ["python", "-m", SHIM, f"worker-1@{tmp_path}"])
        assert not is_shim(child.pid)
    finally:
        child.kill()
        child.wait()


@NEEDS_PROC
def test_session_has_members_as_long_as_its_leader_runs() -> None:
    """Later, the leader's pid may be that of somebody else's session, of which nothing but the members is left."""
    leader = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=-1, start_new_session=True)
    assert leader.stdout
    member, own = Process.of(int(leader.stdout.readline())), _process_of(leader)
    assert member
    try:
        assert {*session_members([own])} == {own, member}
        leader.kill()
        leader.wait()
        assert session_members([own]) == []
    finally:
        member.send(signal.SIGKILL)
        leader.stdout.close()


@NEEDS_PROC
def test_signal_goes_to_the_process_that_was_looked_at_and_not_to_its_pid(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends, and another one may get its pid, between the last look and the signal."""
    signalled: list[int] = []
    handle = os.pidfd_open

    def end(pid: int) -> int:
        opened = handle(pid)
        sleeper.kill()
        sleeper.wait()
        monkeypatch.setattr(os, "kill", lambda pid, _: signalled.append(pid))
        return opened

    process = _process_of(sleeper)
    monkeypatch.setattr(os, "pidfd_open", end)
    monkeypatch.setattr(Process, "is_alive", lambda _: True)
    process.send(signal.SIGKILL)
    assert signalled == []


@pytest.mark.parametrize("has_pidfd", [True, False], ids=["pidfd", "no pidfd"])
def test_signal_arrives_with_and_without_a_handle(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, has_pidfd: bool
) -> None:
    if not has_pidfd:
        monkeypatch.delattr("os.pidfd_open", raising=False)
    _process_of(sleeper).send(signal.SIGTERM)
    assert sleeper.wait() == -signal.SIGTERM


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


def test_stopped_process_gets_sigterm_at_once(sleeper: "subprocess.Popen[bytes]") -> None:
    """Without being continued, it would be killed at the end of the grace."""
    sleeper.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
    trio.run(stop, [_process_of(sleeper)], PATIENCE)
    assert sleeper.wait() == -signal.SIGTERM
