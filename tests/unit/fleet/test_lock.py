"""One process holds a lock, its death releases the lock, and a check does not count as holding it."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from cloudkon.errors import InvalidInput
from fleet.lock import Lock

HOLDER = """
import sys, time
from pathlib import Path
from fleet.lock import Lock
assert Lock(Path(sys.argv[1])).take()
print("held", flush=True)
time.sleep(600)
"""


def test_lock_is_released_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout
    try:
        assert holder.stdout.readline() == b"held\n"
        assert Lock(path).is_held()
        assert not Lock(path).take()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert not Lock(path).is_held()
    ours = Lock(path)
    assert ours.take()
    ours.release()


def test_checking_a_lock_does_not_create_its_file(tmp_path: Path) -> None:
    assert not Lock(tmp_path / "none.lock").is_held()
    assert list(tmp_path.iterdir()) == []


def test_lock_notices_that_its_file_was_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    lock = Lock(path)
    assert lock.take()
    assert lock.is_in_place()
    path.unlink()
    assert not lock.is_in_place()
    path.touch()
    assert not lock.is_in_place()
    lock.release()


def test_lock_is_not_taken_on_a_file_that_was_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.lock"
    flock = fcntl.flock

    def replace_and_lock(descriptor: int, kind: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        path.touch()
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", replace_and_lock)
    lock = Lock(path)
    assert not lock.take()
    assert lock.take()
    lock.release()


def test_lock_is_held_without_a_gap_while_its_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    lock = Lock(path)
    assert lock.take()
    path.with_name("other.lock").hardlink_to(path)
    lock.replace_file()
    assert lock.is_in_place()
    assert Lock(path).is_held()
    assert not Lock(path.with_name("other.lock")).is_held()
    lock.release()
    assert not Lock(path).is_held()


def test_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "refused")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InvalidInput, match=r"some\.lock: can't be used: No locks available"):
        Lock(tmp_path / "some.lock").take()


def test_unusable_path_is_invalid_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"file/some\.lock: can't be used: Not a directory.*CLOUDKON_STATE_DIR"):
        Lock(tmp_path / "file" / "some.lock").take()


async def test_second_holder_is_told_once_and_waits(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    first, calls = Lock(path), []

    def on_wait() -> None:
        calls.append("waiting")
        first.release()

    assert first.take()
    async with Lock(path).taken(on_wait):
        assert Lock(path).is_held()
    assert calls == ["waiting"]
    assert not Lock(path).is_held()
