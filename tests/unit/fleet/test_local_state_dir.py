"""The state directory's files survive concurrent commands, full disks and damage by hand."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, CloudKonError, InvalidInput, NoFleet
from cloudkon.settings import Settings
from fleet.files import read_json, translate_os_errors, write_json
from fleet.local.actual_state import ActualState, PoolState, ProcessState
from fleet.local.desired_state import DesiredState
from fleet.local.emulator_server.interface import ORDERLY
from fleet.local.processes.process import Process
from fleet.local.state_dir import Save, StateDir
from fleet.local.target import LocalTarget

STATE = ActualState(
    "some",
    Process(7, "yesterday"),
    12.5,
    "http://127.0.0.1:4566",
    answered=3,
    ready=True,
    emulator=ProcessState("emulator", pid=8, born="now", restarts=1, last_end="it was killed by signal 9"),
    pools={
        "worker": PoolState(
            2, 1, (ProcessState("worker-1", pid=9, born="now"), ProcessState("worker-2", stopping=True))
        )
    },
)


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    state_dir = StateDir(tmp_path / "state")
    state_dir.make()
    return state_dir


def test_actual_state_is_read_as_written(state_dir: StateDir) -> None:
    assert state_dir.actual_state() is None
    state_dir.write_actual_state(STATE)
    assert state_dir.actual_state() == STATE
    state_dir.write_actual_state(None)
    assert state_dir.actual_state() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fleet": "x"}', '{"fleet": "x", "supervisor": 3}', "\0\xff"])
def test_damaged_state_file_counts_as_missing(state_dir: StateDir, text: str) -> None:
    (state_dir.path / "observed.json").write_text(text, encoding="latin-1")
    state_dir.desired_state_path.write_text(text, encoding="latin-1")
    assert state_dir.actual_state() is None
    assert state_dir.desired_state() == DesiredState()
    assert state_dir.port() == 0


def test_concurrent_commands_lose_no_change(state_dir: StateDir) -> None:
    def request() -> None:
        for _ in range(50):
            state_dir.change_desired_state(lambda before: before.with_request())

    threads = [threading.Thread(target=request) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state_dir.desired_state().request == 200


def test_scaling_one_pool_does_not_change_the_other(state_dir: StateDir) -> None:
    state_dir.change_desired_state(lambda before: before.with_count("worker", 3))
    desired = state_dir.change_desired_state(lambda before: before.with_count("animoto", 1))
    assert desired.counts == {"worker": 3, "animoto": 1}
    assert state_dir.change_desired_state(lambda before: before.without_workers()).counts == {}


def test_other_programs_find_the_fleet_only_while_it_has_an_endpoint(state_dir: StateDir) -> None:
    settings = Settings(state_dir=state_dir.path)
    state_dir.write_endpoint(4567, "http://127.0.0.1:4567")
    assert settings.service_endpoint() == "http://127.0.0.1:4567"
    state_dir.write_endpoint(4567)
    assert state_dir.port() == 4567
    with pytest.raises(NoFleet, match="python -m fleet up"):
        settings.service_endpoint()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_named_and_keeps_the_old_file(
    state_dir: StateDir, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    state_dir.change_desired_state(lambda before: before.with_request())

    def full(*_: object, **__: object) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CloudKonError, match=r"wanted\.json: .*Free some space") as caught:
        state_dir.change_desired_state(lambda before: before.with_request())
    assert caught.value.exit_code == EXIT_FAILED
    assert state_dir.desired_state().request == 1


def test_full_disk_is_reported_before_anything_starts(state_dir: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    state_dir.check_space()
    assert not list(state_dir.path.glob("*probe*"))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CloudKonError, match="No space left on device"):
        state_dir.check_space()


def test_directory_that_can_not_be_created_is_invalid_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="CLOUDKON_STATE_DIR") as caught:
        StateDir(tmp_path / "file").make()
    assert caught.value.exit_code == EXIT_BAD_INPUT


def test_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput), translate_os_errors(tmp_path):
        write_json(tmp_path / "none" / "x.json", {})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", object())
    assert list(tmp_path.iterdir()) == []
    assert read_json(tmp_path / "x.json") == {}


def test_deleting_data_keeps_the_installation(state_dir: StateDir) -> None:
    state_dir.installation.mkdir(parents=True)
    (state_dir.data / "state" / "sqs.json").write_text("{}")
    assert state_dir.last_save()
    state_dir.delete_data()
    state_dir.delete_data()
    assert not state_dir.last_save()
    assert not state_dir.data.exists()
    assert state_dir.installation.exists()


def test_last_save_is_the_newest_and_says_whether_it_is_final(state_dir: StateDir) -> None:
    assert state_dir.last_save() is None
    for number, time in ((99_999_999, 20.0), (100_000_000, 30.0)):
        snapshot = state_dir.snapshots / str(number)
        snapshot.mkdir()
        (snapshot / "sqs.json").touch()
        os.utime(snapshot / "sqs.json", (time, time))
    (state_dir.snapshots / "100000001.partial").mkdir()
    assert state_dir.last_save() == Save(30.0, is_final=False)
    (state_dir.snapshots / "100000000" / ORDERLY).touch()
    last = state_dir.last_save()
    assert last
    assert last.is_final


def test_directory_has_a_fleet_whatever_of_it_was_removed(tmp_path: Path, state_dir: StateDir) -> None:
    assert not StateDir(tmp_path / "none").has_fleet()
    assert state_dir.has_fleet()
    state_dir.logs.rmdir()
    assert state_dir.has_fleet()
    state_dir.delete_data()
    assert not state_dir.has_fleet()
    lock = state_dir.supervisor_lock
    assert lock.take()
    assert state_dir.has_fleet()
    lock.release()


def _modes(top: Path) -> dict[str, int]:
    return {str(path.relative_to(top)): stat.S_IMODE(path.lstat().st_mode) for path in [top, *top.rglob("*")]}


def test_files_of_an_older_release_are_closed_to_other_users(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        state_dir = StateDir(tmp_path / "state")
        for name in ("wanted.json", "logs/worker-1.log", "emulator/data/state/sqs.json", "pushes/a.json"):
            (state_dir.path / name).parent.mkdir(parents=True, exist_ok=True)
            (state_dir.path / name).touch()
        (state_dir.path / "logs/run.sh").touch(mode=0o755)
        (tmp_path / "elsewhere").touch()
        (state_dir.path / "link").symlink_to(tmp_path / "elsewhere")
        state_dir.make()
    finally:
        os.umask(before)
    modes = _modes(state_dir.path)
    assert modes["logs/run.sh"] == 0o700
    assert {name: mode for name, mode in modes.items() if mode & 0o077 and name != "link"} == {}
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o644


def test_secret_is_kept_and_readable_by_its_owner_only(state_dir: StateDir, tmp_path: Path) -> None:
    assert not state_dir.has_secret()
    secret = state_dir.secret()
    assert len(secret) >= 40
    assert state_dir.secret() == secret
    assert Settings(state_dir=state_dir.path).emulator_secret() == secret
    assert _modes(state_dir.path)["secret-key"] == 0o600
    assert StateDir(tmp_path).secret() != secret


def test_damaged_secret_is_replaced(state_dir: StateDir) -> None:
    for damage in (b"", b"\n", b"\xff\xfe"):
        (state_dir.path / "secret-key").write_bytes(damage)
        secret = state_dir.secret()
        assert Settings(state_dir=state_dir.path).emulator_secret() == secret


def _become_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)


def test_directory_of_another_user_is_refused_by_everything_that_trusts_it(
    state_dir: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner could have written an endpoint and a secret of his own, and records that name our processes."""
    state_dir.write_endpoint(4567, "http://127.0.0.1:4567")
    state_dir.secret()
    _become_another_user(monkeypatch)
    settings = Settings(state_dir=state_dir.path)
    for use in (
        state_dir.make,
        settings.service_endpoint,
        settings.emulator_secret,
        lambda: LocalTarget(settings),
    ):
        with pytest.raises(InvalidInput, match=r"belongs to user \d+, and you are .*CLOUDKON_STATE_DIR") as caught:
            use()
        assert caught.value.exit_code == EXIT_BAD_INPUT


def test_secret_of_another_user_is_refused(state_dir: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    state_dir.secret()
    _become_another_user(monkeypatch)
    monkeypatch.setattr("cloudkon.settings.check_own_directory", lambda _: None)
    for use in (state_dir.secret, Settings(state_dir=state_dir.path).emulator_secret):
        with pytest.raises(InvalidInput, match=r"secret-key: belongs to user \d+, .*Remove it, and make a new one"):
            use()
