"""A stop is decided by locks, processes and answers, not by what files say; and it says what was not saved."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trio
import trio.testing

from cloudkon.errors import EXIT_FAILED, CloudKonError
from cloudkon.settings import Settings
from fleet.local import stop_supervisor
from fleet.local.actual_state import ActualState, ProcessState
from fleet.local.emulator_server.interface import ORDERLY
from fleet.local.identity import Identity, claim, mark
from fleet.local.processes.process import Process
from fleet.local.processes.process_table import MARK
from fleet.local.state_dir import StateDir
from fleet.local.stop_supervisor import check_saving, record_stop, stop_everything

GONE = Process(4_000_000, "never")
NO_ENDPOINT = "http://127.0.0.1:1"


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / "state")
    found.make()
    lock = found.command_lock
    assert lock.take()
    claim(found, "cloudkon", lock)
    lock.release()
    return found


@pytest.fixture
def emulator() -> Iterator[Callable[[str], str]]:
    """Start an emulator that answers a save with this problem; return its endpoint."""
    servers = []

    def start(problem: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f'{{"problem": "{problem}"}}'.encode())

            def log_message(self, *_: object) -> None:
                """Keep the tests' output quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _record(state_dir: StateDir, endpoint: str = NO_ENDPOINT) -> ActualState:
    """Write the record of a fleet that never became ready, and whose processes are not visible."""
    identity = Identity.read(state_dir.path)
    assert identity
    actual = ActualState("cloudkon", GONE, 1.0, endpoint, identity=identity.id)
    state_dir.write_actual_state(actual)
    return actual


def _save(state_dir: StateDir, number: int, *, is_final: bool) -> None:
    snapshot = state_dir.snapshots / f"{number:08}"
    snapshot.mkdir()
    (snapshot / "sqs.json").touch()
    if is_final:
        (snapshot / ORDERLY).touch()


def _stop(state_dir: StateDir) -> str:
    return trio.run(stop_everything, Settings(), state_dir, lambda _: None)


async def test_running_fleet_whose_processes_are_not_visible_is_left_alone(
    autojump_clock: trio.testing.MockClock, state_dir: StateDir
) -> None:
    actual = _record(state_dir)
    lock = state_dir.supervisor_lock
    assert lock.take()
    with pytest.raises(CloudKonError, match=r"the fleet runs .* Nothing was stopped or deleted") as caught:
        await stop_everything(Settings(), state_dir, lambda _: None)
    assert caught.value.exit_code == EXIT_FAILED
    assert state_dir.actual_state() == actual
    lock.release()


def test_emulator_that_answers_though_nothing_is_visible_is_an_error(
    state_dir: StateDir, emulator: Callable[[str], str]
) -> None:
    actual = _record(state_dir, emulator(""))
    with pytest.raises(CloudKonError, match=r"still answers at .* No data was deleted"):
        _stop(state_dir)
    assert state_dir.actual_state() == actual


def test_nothing_is_signalled_if_proc_is_another_namespaces(
    state_dir: StateDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "self").symlink_to("1")
    monkeypatch.setattr(stop_supervisor, "PROC", tmp_path)
    with pytest.raises(CloudKonError, match=r"another PID namespace.* Nothing was stopped or deleted"):
        _stop(state_dir)


@pytest.fixture
def emulator_process(state_dir: StateDir) -> Iterator[Process]:
    """A process that is marked as this directory's emulator."""
    environment = {**os.environ, MARK: mark("emulator", state_dir.path)}
    child = subprocess.Popen(["sleep", "600"], env=environment)
    found = Process.of(child.pid)
    assert found
    yield found
    child.kill()
    child.wait()


def test_emulator_that_never_became_ready_is_asked_to_save_all_the_same(
    state_dir: StateDir, emulator: Callable[[str], str], emulator_process: Process
) -> None:
    actual = _record(state_dir, emulator("no space"))
    state = ProcessState("emulator", emulator_process.pid, emulator_process.born)
    state_dir.write_actual_state(replace(actual, emulator=state))
    with pytest.raises(CloudKonError, match=r"can't save messages and ledger: no space\. Nothing was stopped"):
        trio.run(check_saving, Settings(), state_dir)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which this system does not have")
@pytest.mark.usefixtures("emulator_process")
def test_emulator_that_no_record_names_is_asked_to_save_at_its_port(
    state_dir: StateDir, emulator: Callable[[str], str]
) -> None:
    state_dir.write_endpoint(int(emulator("no space").rpartition(":")[2]))
    (state_dir.path / "observed.json").write_text("{")
    with pytest.raises(CloudKonError, match="Nothing was stopped"):
        trio.run(check_saving, Settings(), state_dir)


def test_save_is_not_asked_for_where_no_emulator_runs(state_dir: StateDir, emulator: Callable[[str], str]) -> None:
    _record(state_dir, emulator("another program"))
    trio.run(check_saving, Settings(), state_dir)


def test_emulator_that_ended_without_saving_is_reported_once(state_dir: StateDir) -> None:
    _record(state_dir)
    _save(state_dir, 1, is_final=True)
    _save(state_dir, 2, is_final=False)
    unsaved = _stop(state_dir)
    assert "did not save messages and ledger at its end" in unsaved
    assert "what happened later is lost" in unsaved
    assert _stop(state_dir) == ""


@pytest.mark.parametrize("saves", [[], [True], [False, True]])
def test_fleet_that_saved_at_its_end_or_never_was_ready_has_lost_nothing(
    state_dir: StateDir, saves: list[bool]
) -> None:
    _record(state_dir)
    for number, is_final in enumerate(saves):
        _save(state_dir, number, is_final=is_final)
    assert _stop(state_dir) == ""
    assert state_dir.actual_state() is None


def test_stop_that_can_not_be_recorded_says_that_everything_was_stopped(
    state_dir: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CloudKonError, match=r"^everything was stopped, but .*No space left.* fleet down$"):
        record_stop(state_dir)


def test_record_of_a_stopped_fleet_of_another_directory_is_not_used(state_dir: StateDir) -> None:
    state_dir.write_actual_state(replace(_record(state_dir), identity="another"))
    _save(state_dir, 1, is_final=False)
    assert _stop(state_dir) == ""
