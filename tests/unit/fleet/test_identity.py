"""A state directory knows whether its records are its own, those of a copy, or those of another fleet."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings
from fleet.local.actual_state import ActualState, PoolState, ProcessState
from fleet.local.identity import FILE, Identity, OwnRecords, claim, disown, marks
from fleet.local.processes.process import Process
from fleet.local.processes.process_table import MARK
from fleet.local.state_dir import StateDir
from fleet.local.stop_supervisor import stop_everything
from fleet.lock import Lock
from tests.support.emulator import missing


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / "original")
    found.make()
    _claim(found)
    return found


def _claim(state_dir: StateDir, fleet: str = "one") -> str:
    """Claim a directory as ``up`` and ``down`` do; return the original's path if it is a copy."""
    lock = state_dir.command_lock
    assert lock.take()
    try:
        return claim(state_dir, fleet, lock).copy_of
    finally:
        lock.release()


def _is_copy(state_dir: StateDir) -> bool:
    return bool(OwnRecords.read(state_dir).copy_of)


def _check_fleet(state_dir: StateDir, fleet: str) -> None:
    OwnRecords.read(state_dir).check_fleet(state_dir, fleet)


def _copy(state_dir: StateDir) -> StateDir:
    copied = StateDir(state_dir.path.with_name("copy"))
    shutil.copytree(state_dir.path, copied.path)
    return copied


def _linked_copy(state_dir: StateDir) -> StateDir:
    """As ``cp -al`` does: the files are hard links to the original's."""
    copied = StateDir(state_dir.path.with_name("linked"))
    shutil.copytree(state_dir.path, copied.path, copy_function=os.link)
    return copied


def _symbolic_copy(state_dir: StateDir) -> StateDir:
    """As ``cp -as`` does: the files are symbolic links to the original's."""
    copied = StateDir(state_dir.path.with_name("symbolic"))
    shutil.copytree(state_dir.path, copied.path, copy_function=os.symlink)
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
    assert _claim(state_dir) == ""
    assert (state_dir.path / FILE).read_bytes() == before


def test_copy_gets_an_identity_a_port_and_a_desired_state_of_its_own(state_dir: StateDir) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 3))
    state_dir.write_endpoint(4999, "http://127.0.0.1:4999")
    copied = _copy(state_dir)
    assert _is_copy(copied)
    assert _claim(copied) == str(state_dir.path)
    assert not _is_copy(copied)
    assert _id(copied) != _id(state_dir)
    assert copied.port() == 0
    assert copied.desired_state().counts == {}
    assert state_dir.port() == 4999
    assert not set(marks("", copied.path)) & set(marks("", state_dir.path))


def test_moved_directory_is_no_copy(state_dir: StateDir) -> None:
    before = _id(state_dir)
    moved = StateDir(state_dir.path.rename(state_dir.path.with_name("moved")))
    assert not _is_copy(moved)
    assert _claim(moved) == ""
    assert _id(moved) == before


def test_copy_that_takes_the_place_of_the_moved_original_is_a_copy(state_dir: StateDir) -> None:
    copied = _copy(state_dir)
    state_dir.path.rename(state_dir.path.with_name("moved"))
    there = StateDir(copied.path.rename(state_dir.path))
    assert _is_copy(there)


@pytest.mark.parametrize("copy", [_copy, _linked_copy, _symbolic_copy])
def test_state_and_locks_of_a_running_original_are_not_those_of_a_copy(
    state_dir: StateDir, copy: Callable[[StateDir], StateDir]
) -> None:
    _record(state_dir, _id(state_dir), Process(1, "never"))
    journal = Path("pushes", "some.journal")
    (state_dir.path / journal).parent.mkdir()
    (state_dir.path / journal).write_text("before\n")
    lock = state_dir.supervisor_lock
    assert lock.take()
    copied = copy(state_dir)
    assert OwnRecords.read(copied).actual is None
    assert _claim(copied) == str(state_dir.path)
    assert OwnRecords.read(state_dir).actual is not None
    assert state_dir.supervisor_lock.is_held()
    assert not copied.supervisor_lock.is_held()
    with (copied.path / journal).open("a") as file:
        file.write("after\n")
    assert (state_dir.path / journal).read_text() == "before\n"
    assert (copied.path / journal).read_text() == "before\nafter\n"
    for name in ("command.lock", "wanted.lock"):
        with Lock(state_dir.path / name).briefly():
            ours = Lock(copied.path / name)
            assert ours.take()
            ours.release()
    lock.release()


def test_state_in_a_linked_copy_without_a_record_is_the_originals(state_dir: StateDir) -> None:
    """The original is of an older version, or its record was deleted, so only its supervisor's settings tell."""
    settings = {"CLOUDKON_STATE_DIR": str(state_dir.path)}
    actual = ActualState("one", Process(1, "never"), 1.0, "http://127.0.0.1:1", settings=settings)
    state_dir.write_actual_state(actual)
    (state_dir.path / FILE).unlink()
    lock = state_dir.supervisor_lock
    assert lock.take()
    copied = _linked_copy(state_dir)
    assert copied.supervisor_lock.is_held()
    assert OwnRecords.read(copied).actual is None
    assert OwnRecords.read(state_dir).actual == actual
    lock.release()


def test_claim_of_a_copy_goes_on_holding_the_command_lock(state_dir: StateDir) -> None:
    copied = _linked_copy(state_dir)
    lock = copied.command_lock
    assert lock.take()
    claim(copied, "one", lock)
    assert copied.command_lock.is_held()
    lock.release()
    assert not copied.command_lock.is_held()


def _symbolic_link(state_dir: StateDir) -> Iterator[Path]:
    link = state_dir.path.with_name("link")
    link.symlink_to(state_dir.path)
    yield link


def _detour(state_dir: StateDir) -> Iterator[Path]:
    yield state_dir.logs / ".."


def _bind_mount(state_dir: StateDir) -> Iterator[Path]:
    place = state_dir.path.with_name("mounted")
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        missing("only root can mount a directory")
    if subprocess.run(["mount", "--bind", str(state_dir.path), str(place)], check=False).returncode:
        missing("no directory can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("other_path", [_symbolic_link, _detour, _bind_mount])
def test_directory_reached_by_another_path_is_the_same_fleets(
    state_dir: StateDir, other_path: Callable[[StateDir], Iterator[Path]]
) -> None:
    before = _id(state_dir)
    _record(state_dir, before, Process(1, "never"))
    for path in other_path(state_dir):
        there = StateDir(path)
        assert OwnRecords.read(there).actual is not None
        assert _claim(there) == ""
        assert _id(there) == before
    assert OwnRecords.read(state_dir).actual is not None


def test_directory_of_another_fleet_is_refused_until_its_data_is_deleted(state_dir: StateDir) -> None:
    _check_fleet(state_dir, "one")
    with pytest.raises(
        InvalidInput, match=r"fleet 'two': .*original belongs to the fleet 'one'\. Set CLOUDKON_FLEET=one"
    ):
        _check_fleet(state_dir, "two")
    disown(state_dir)
    _check_fleet(state_dir, "two")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', '{"id": "", "fleet": "", "path": "", "inode": 1}'])
def test_damaged_record_is_replaced(state_dir: StateDir, text: str) -> None:
    (state_dir.path / FILE).write_text(text)
    assert not _is_copy(state_dir)
    _claim(state_dir, "two")
    _check_fleet(state_dir, "two")


def test_state_of_the_original_is_not_that_of_the_copy(state_dir: StateDir) -> None:
    _record(state_dir, _id(state_dir), Process(1, "never"))
    assert OwnRecords.read(state_dir).actual is not None
    assert OwnRecords.read(_copy(state_dir)).actual is None


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
    trio.run(stop_everything, Settings(), copied, lambda _: None)
    assert worker.is_alive()
    trio.run(stop_everything, Settings(), state_dir, lambda _: None)
    assert old_worker.wait() == -signal.SIGTERM
