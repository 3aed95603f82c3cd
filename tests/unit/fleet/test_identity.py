"""A state directory knows whether its records are its own, those of a copy, or those of another fleet."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.errors import InvalidInput
from fleet.local.actual_state import ActualState, PoolState, ProcessState
from fleet.local.identity import FILE, Identity, check_fleet, claim, disown, is_copy, marks, own_actual_state
from fleet.local.processes.process import Process
from fleet.local.processes.process_table import MARK
from fleet.local.state_dir import StateDir
from fleet.local.stop_supervisor import stop_leftovers


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / "original")
    found.make()
    claim(found, "one")
    return found


def _copy(state_dir: StateDir) -> StateDir:
    copied = StateDir(state_dir.path.with_name("copy"))
    shutil.copytree(state_dir.path, copied.path)
    return copied


def _id(state_dir: StateDir) -> str:
    identity = Identity.read(state_dir.path)
    assert identity
    return identity.id


def _record(state_dir: StateDir, identity: str, worker: Process) -> None:
    """Write the record of a supervisor that has died, with one worker."""
    member = ProcessState("worker-1", worker.pid, worker.born)
    actual = ActualState("one", Process(worker.pid, "another"), 1.0, "http://127.0.0.1:1", identity=identity)
    state_dir.write_actual_state(replace(actual, pools={"worker": PoolState(1, 0, (member,))}))


def test_second_claim_changes_nothing(state_dir: StateDir) -> None:
    before = (state_dir.path / FILE).read_bytes()
    assert claim(state_dir, "one") == ""
    assert (state_dir.path / FILE).read_bytes() == before


def test_copy_gets_an_identity_a_port_and_a_desired_state_of_its_own(state_dir: StateDir) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 3))
    state_dir.write_endpoint(4999, "http://127.0.0.1:4999")
    copied = _copy(state_dir)
    assert is_copy(copied)
    assert claim(copied, "one") == str(state_dir.path)
    assert not is_copy(copied)
    assert _id(copied) != _id(state_dir)
    assert copied.port() == 0
    assert copied.desired_state().counts == {}
    assert state_dir.port() == 4999
    assert not set(marks("", copied.path)) & set(marks("", state_dir.path))


def test_moved_directory_is_no_copy(state_dir: StateDir) -> None:
    before = _id(state_dir)
    moved = StateDir(state_dir.path.rename(state_dir.path.with_name("moved")))
    assert not is_copy(moved)
    assert claim(moved, "one") == ""
    assert _id(moved) == before


def test_copy_that_takes_the_place_of_the_moved_original_is_a_copy(state_dir: StateDir) -> None:
    copied = _copy(state_dir)
    state_dir.path.rename(state_dir.path.with_name("moved"))
    there = StateDir(copied.path.rename(state_dir.path))
    assert is_copy(there)


def test_directory_reached_by_a_link_is_no_copy(state_dir: StateDir) -> None:
    link = state_dir.path.with_name("link")
    link.symlink_to(state_dir.path)
    assert not is_copy(StateDir(link))


def test_directory_of_another_fleet_is_refused_until_its_data_is_deleted(state_dir: StateDir) -> None:
    check_fleet(state_dir, "one")
    with pytest.raises(
        InvalidInput, match=r"fleet 'two': .*original belongs to the fleet 'one'\. Set CLOUDKON_FLEET=one"
    ):
        check_fleet(state_dir, "two")
    disown(state_dir)
    check_fleet(state_dir, "two")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', '{"id": "", "fleet": "", "path": "", "inode": 1}'])
def test_damaged_record_is_replaced(state_dir: StateDir, text: str) -> None:
    (state_dir.path / FILE).write_text(text)
    assert not is_copy(state_dir)
    claim(state_dir, "two")
    check_fleet(state_dir, "two")


def test_state_of_the_original_is_not_that_of_the_copy(state_dir: StateDir) -> None:
    _record(state_dir, _id(state_dir), Process(1, "never"))
    assert own_actual_state(state_dir) is not None
    assert own_actual_state(_copy(state_dir)) is None


@pytest.fixture
def old_worker(state_dir: StateDir) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker that an older version started: marked with the directory's path, and without a shim."""
    environment = {**os.environ, MARK: f"worker-1@{state_dir.path}"}
    child = subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True)
    yield child
    child.kill()
    child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which this system does not have")
def test_processes_of_an_older_version_are_stopped_from_their_own_directory_only(
    state_dir: StateDir, old_worker: "subprocess.Popen[bytes]"
) -> None:
    worker = Process.of(old_worker.pid)
    assert worker
    (state_dir.path / FILE).unlink()
    _record(state_dir, "", worker)
    copied = _copy(state_dir)
    trio.run(stop_leftovers, copied, 1.0, lambda _: None)
    assert worker.is_alive()
    trio.run(stop_leftovers, state_dir, 1.0, lambda _: None)
    assert old_worker.wait() == -signal.SIGTERM
