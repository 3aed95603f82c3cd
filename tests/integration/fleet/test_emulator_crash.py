"""A local fleet continues after its emulator was killed, after full disks, and after an upgrade."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from cloudkon.aws import connect
from cloudkon.aws.emulator_save import save_emulator
from cloudkon.backoff import PATIENT, persist
from cloudkon.errors import EXIT_FAILED
from cloudkon.model import Outgoing
from cloudkon.ports import Queue
from cloudkon.settings import SECRET_FILE
from tests.integration.fleet.conftest import CommandLine
from tests.integration.fleet.test_whole_run import assert_every_task_has_one_result, client, push, some_ended
from tests.support.emulator import missing
from tests.support.patience import PATIENCE, until

pytestmark = pytest.mark.long

DISK_MEGABYTES = 24
ROOM_FOR_SMALL_FILES = 200_000
"""Bytes: enough for the supervisor's records, and too few for a state with two messages of this length."""


def _queue(line: CommandLine) -> Queue:
    return connect(line.settings).queues["worker"]


def _kill_emulator(line: CommandLine) -> None:
    """Kill it, and wait until the supervisor has started it again and repaired the stack."""
    before = line.status()["emulator"]["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: line.status()["emulator"]["pid"] not in (0, before))
    line.run("up")


def _saved(line: CommandLine, service: str) -> str:
    newest = max(path for path in line.state_dir.snapshots.iterdir() if path.name.isdecimal())
    return (newest / f"{service}.json").read_text()


def test_killed_emulator_comes_back_with_objects_messages_and_ledger(whole: CommandLine) -> None:
    """At once after ``up`` and ``push``, without any worker: what the issue reproduced."""
    whole.run("up")
    workload = whole.directory / "workload.txt"
    workload.write_text("sleep 0\n" * 3)
    run = client(whole, "push", str(workload)).strip()
    store = connect(whole.settings).store
    trio.run(store.put, "videos/a", b"kept", "video/mp4", {})
    until(lambda: run in _saved(whole, "sqs") and run in _saved(whole, "dynamodb"))
    _kill_emulator(whole)
    assert trio.run(store.head, store.address("videos/a")).size == 4
    whole.run("scale", "1")
    client(whole, "check", run, "--wait")
    rows = client(whole, "results", run, "--json").splitlines()
    assert sorted(json.loads(row)["task"] for row in rows) == [f"{run}/{seq}" for seq in range(3)]
    (problem,) = whole.status()["problems"]
    assert "it was killed by signal 9" in problem


def test_emulator_killed_before_it_ever_saved_by_itself_comes_back(fleet: CommandLine) -> None:
    fleet.run("up")
    store = connect(fleet.settings).store
    trio.run(store.put, "videos/a", b"kept", "video/mp4", {})
    _kill_emulator(fleet)
    assert trio.run(store.head, store.address("videos/a")).size == 4
    trio.run(_queue(fleet).send, [Outgoing("after")])
    fleet.run("down")
    fleet.run("up")
    assert [one.body for one in trio.run(_queue(fleet).receive, 10, 0, 0)] == ["after"]


class Impostor:
    """Tries to take a port without end, and then answers every connection with what no emulator would prove."""

    def __init__(self, port: int) -> None:
        self.received: list[bytes] = []
        self.has_port = threading.Event()
        self._port, self._over = port, threading.Event()

    @contextmanager
    def trying(self) -> Iterator[None]:
        thread = threading.Thread(target=self._try)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _try(self) -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            while not self._over.wait(0.002):
                with suppress(OSError):
                    listener.bind(("127.0.0.1", self._port))
                    listener.listen()
                    self.has_port.set()
                    break
            listener.settimeout(0.05)
            while not self._over.is_set():
                with suppress(OSError), listener.accept()[0] as client:
                    client.settimeout(1)
                    self.received.append(client.recv(4096))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + b"0" * 64)


def test_nobody_takes_the_port_of_a_killed_emulator_and_its_clients_wait_for_it(fleet: CommandLine) -> None:
    fleet.run("up")
    queue, impostor = _queue(fleet), Impostor(fleet.state_dir.port())
    trio.run(queue.send, [Outgoing("before")])
    trio.run(save_emulator, fleet.settings)
    with impostor.trying():
        os.kill(fleet.status()["emulator"]["pid"], signal.SIGKILL)
        # A connection that the killed emulator had accepted may still fail; a new one waits.
        assert trio.run(partial(persist, queue.depth, PATIENT)).visible == 1
        fleet.run("up")
        assert not impostor.has_port.is_set()


def test_port_that_was_taken_after_the_supervisor_was_killed_is_not_trusted(whole: CommandLine) -> None:
    whole.run("up")
    whole.run("scale", "1")
    actual, port = whole.state_dir.actual_state(), whole.state_dir.port()
    assert actual
    impostor = Impostor(port)
    with impostor.trying():
        for process in (actual.supervisor, actual.emulator.shim):
            assert process
            process.send(signal.SIGKILL)
        assert impostor.has_port.wait(PATIENCE)
        workload = whole.directory / "workload.txt"
        workload.write_text("sleep 0\n")
        pushing = [sys.executable, "-m", "client", "push", str(workload)]
        pushed = subprocess.run(
            pushing, cwd=whole.directory, env=whole.environment, capture_output=True, text=True, check=False
        )
        assert pushed.returncode == EXIT_FAILED
        assert f"what listens on port {port} does not prove that it is this fleet's emulator" in pushed.stderr
        until(lambda: "does not prove" in whole.log("worker-1"))
        assert [one for one in impostor.received if not one.startswith(b"GET /_cloudkon/proof?nonce=")] == []
        whole.run("up")
        assert whole.state_dir.port() != port
        whole.run("scale", "1")
        run = client(whole, "push", str(workload)).strip()
        client(whole, "check", run, "--wait")


def test_run_survives_a_killed_emulator(whole: CommandLine) -> None:
    whole.run("up")
    whole.run("scale", "2")
    run = push(whole)
    until(lambda: some_ended(whole, run))
    until(lambda: run in _saved(whole, "dynamodb"))
    _kill_emulator(whole)
    assert_every_task_has_one_result(whole, run)


def test_receipt_from_before_a_crash_deletes_nothing(fleet: CommandLine) -> None:
    """The ledger may have lost why the message was to be deleted."""
    fleet.run("up")
    queue = _queue(fleet)
    trio.run(queue.send, [Outgoing("once")])
    (delivery,) = trio.run(queue.receive, 1, 0, 600)
    trio.run(save_emulator, fleet.settings)
    _kill_emulator(fleet)
    trio.run(queue.delete, [delivery])
    assert [one.body for one in trio.run(queue.receive, 1, 0, 600)] == ["once"]


def test_receipt_from_before_an_orderly_restart_is_valid(fleet: CommandLine) -> None:
    fleet.run("up")
    queue = _queue(fleet)
    trio.run(queue.send, [Outgoing("once")])
    (delivery,) = trio.run(queue.receive, 1, 0, 600)
    fleet.run("down")
    fleet.run("up")
    assert trio.run(queue.receive, 1, 0, 600) == []
    trio.run(queue.delete, [delivery])
    assert trio.run(queue.depth).empty


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(65536))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, so that the test can fill it."""
    place = tmp_path / "disk"
    place.mkdir()
    if not shutil.which("mount") or os.geteuid() != 0:
        missing("only root can mount a file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        missing(f"no tmpfs can be mounted here: {mounted.stderr.decode(errors='replace').strip()}")
    yield place
    # A process may still be ending in it.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_down_on_a_full_disk_stops_and_deletes_nothing(fleet: CommandLine, small_disk: Path) -> None:
    line = replace(fleet, directory=small_disk)
    line.run("up")
    line.run("scale", "1")
    workers = line.workers()
    trio.run(_queue(line).send, [Outgoing("kept")])
    filler = small_disk / "filler"
    _fill(filler)
    _, err = line.run("down", code=1)
    assert "can't save messages and ledger" in err
    assert "No space left on device" in err
    assert "Nothing was stopped or deleted" in err
    assert line.workers() == workers
    filler.unlink()
    line.run("down")
    line.run("up")
    assert [one.body for one in trio.run(_queue(line).receive, 10, 0, 0)] == ["kept"]

    # An emulator that is started again while its state has no room never becomes ready, and serves all the same.
    trio.run(_queue(line).send, [Outgoing("x" * ROOM_FOR_SMALL_FILES) for _ in range(2)])
    trio.run(save_emulator, line.settings)
    _fill(filler)
    os.truncate(filler, filler.stat().st_size - ROOM_FOR_SMALL_FILES)
    os.kill(line.status()["emulator"]["pid"], signal.SIGKILL)
    until(lambda: "can't save messages and ledger" in str(line.status()["problems"]), step=1.0)
    trio.run(_queue(line).send, [Outgoing("kept too")])
    assert "Nothing was stopped or deleted" in line.run("down", code=1)[1]
    assert "kept too" in [one.body for one in trio.run(_queue(line).receive, 10, 0, 0)]

    # Only a signal stops it now, and the next command says what that has cost.
    supervisor = line.supervisor()
    supervisor.send(signal.SIGTERM)
    until(lambda: not supervisor.is_alive())
    assert "what happened later is lost" in line.run("down", code=1)[1]
    line.run("down", "--delete-data")
    assert not line.state_dir.data.exists()


def test_emulator_that_is_killed_on_a_full_disk_keeps_its_stack(fleet: CommandLine, small_disk: Path) -> None:
    """Modules that write a file at their import could not be imported, and their state was left out from then on."""
    line = replace(fleet, directory=small_disk)
    line.run("up")
    trio.run(_queue(line).send, [Outgoing("kept")])
    line.run("down")
    line.run("up")
    filler = small_disk / "filler"
    _fill(filler)
    before = line.status()["emulator"]["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: [one.body for one in trio.run(_queue(line).receive, 10, 0, 0)] == ["kept"], step=1.0)
    filler.unlink()
    line.run("up")
    line.run("down")


def test_emulator_does_not_start_without_a_state_that_it_can_not_read(fleet: CommandLine) -> None:
    fleet.run("up")
    trio.run(_queue(fleet).send, [Outgoing("kept")])
    fleet.run("down")
    newest = max(fleet.state_dir.snapshots.iterdir())
    ledger = newest / "dynamodb.json"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:1000])
    _, err = fleet.run("up", code=1)
    assert "the saved state can't be read" in err
    assert max(fleet.state_dir.snapshots.iterdir()) == newest
    ledger.write_bytes(whole)
    fleet.run("up")
    assert [one.body for one in trio.run(_queue(fleet).receive, 10, 0, 0)] == ["kept"]


def test_down_after_a_killed_fleet_says_what_was_not_saved(fleet: CommandLine) -> None:
    """As after a power failure."""
    fleet.run("up")
    trio.run(_queue(fleet).send, [Outgoing("lost or not")])
    fleet.supervisor().send(signal.SIGKILL)
    for process in fleet.processes("emulator"):
        process.send(signal.SIGKILL)
    _, err = fleet.run("down", code=1)
    assert "everything was stopped, but the emulator did not save messages and ledger at its end" in err
    assert "what happened later is lost" in err
    fleet.run("down")


def test_fleet_of_an_older_release_is_restarted_by_up_with_its_workers(fleet: CommandLine) -> None:
    """It has no secret, because its emulator checked no signatures."""
    fleet.run("up")
    fleet.run("scale", "2")
    before = fleet.supervisor()
    (fleet.state_dir.path / SECRET_FILE).unlink()
    assert "restarting a fleet of an older release" in fleet.run("up")[1]
    assert not before.is_alive()
    assert sorted(fleet.workers()) == ["worker-1", "worker-2"]
    trio.run(_queue(fleet).send, [Outgoing("after")])


def test_objects_are_kept_where_the_state_is_lost(fleet: CommandLine) -> None:
    """An older release was killed: the stack and the bucket are unknown, and the objects are on the disk."""
    fleet.run("up")
    store = connect(fleet.settings).store
    trio.run(store.put, "videos/a", b"kept", "video/mp4", {})
    fleet.run("down")
    shutil.rmtree(fleet.state_dir.snapshots)
    fleet.run("up")
    assert trio.run(store.head, store.address("videos/a")).size == 4
    _kill_emulator(fleet)
    assert trio.run(store.head, store.address("videos/a")).size == 4
