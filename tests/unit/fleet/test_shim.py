"""A shim ends what its process leaves behind, bounds its output, and needs no supervisor."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cloudkon.programs import module
from fleet.local.processes.process import Process
from fleet.local.processes.rotating_log import MOST_LOG_BYTES
from fleet.local.processes.shim import KILL_ALL
from tests.support import detaching
from tests.support.emulator import ROOT
from tests.support.patience import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
START = [sys.executable, "-m", module("fleet.local.processes.shim"), "worker-1@test"]


class Started:
    """A shim, with the process that it started."""

    def __init__(self, arguments: Sequence[str], log: Path, descriptors: Sequence[int] = ()) -> None:
        self.shim = subprocess.Popen(
            START, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, pass_fds=descriptors
        )
        assert self.shim.stdin
        assert self.shim.stdout
        order = {"arguments": arguments, "environment": {**os.environ}, "log": str(log), "descriptors": descriptors}
        self.shim.stdin.write(json.dumps(order).encode())
        self.shim.stdin.close()
        self.answer = json.loads(self.shim.stdout.readline())
        self.process = Process(self.answer.get("pid", 0), self.answer.get("born", ""))

    def wait(self) -> int:
        return self.shim.wait(PATIENCE)


Run = Callable[..., Started]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker-1.log"


@pytest.fixture
def run(log: Path) -> Iterator[Run]:
    started: list[Started] = []

    def start(*arguments: str, descriptors: Sequence[int] = ()) -> Started:
        started.append(Started(arguments, log, descriptors))
        return started[-1]

    yield start
    for one in started:
        one.shim.send_signal(KILL_ALL)
        one.wait()
        assert one.shim.stdout
        one.shim.stdout.close()


def _detached(note: Path) -> dict[str, Process]:
    """Wait until every kind of process is detached; return them."""

    def noted() -> list[list[str]]:
        return [line.split() for line in note.read_text().splitlines()] if note.exists() else []

    until(lambda: len(noted()) == len(detaching.KINDS))
    found = {kind: Process.of(int(pid)) for kind, pid in noted()}
    return {kind: process for kind, process in found.items() if process}


def test_exit_code_and_output_are_those_of_the_process(run: Run, log: Path) -> None:
    assert run("/bin/sh", "-c", "echo out; echo err >&2; exit 7").wait() == 7
    assert log.read_text() == "out\nerr\n"


def test_shim_dies_by_the_signal_that_killed_its_process(run: Run) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        assert run("/bin/sh", "-c", f"kill -{int(number)} $$").wait() == -number


def test_program_that_can_not_be_started_is_answered_with_its_error(run: Run) -> None:
    started = run("/nowhere/worker")
    assert started.answer == {"error": "No such file or directory", "errno": 2, "file": "/nowhere/worker"}
    assert started.wait() == 1


def test_inherited_descriptor_is_handed_down_to_the_process_and_kept_by_it_alone(run: Run) -> None:
    """What it was made for: the process accepts connections of a socket that listened before it was started."""
    program = (
        "import socket, sys\n"
        "listener = socket.socket(fileno=int(sys.argv[1]))\n"
        "for _ in range(2): listener.accept()[0].sendall(b'from the process')\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address, number = listener.getsockname(), listener.fileno()
        waiting = socket.create_connection(address, PATIENCE)
        started = run(sys.executable, "-c", program, str(number), descriptors=(number,))
    with waiting:
        assert waiting.recv(100) == b"from the process"
    with socket.create_connection(address, PATIENCE) as later:
        assert later.recv(100) == b"from the process"
    assert started.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, PATIENCE)


def test_sigterm_is_passed_on_to_the_process(run: Run, log: Path) -> None:
    started = run("/bin/sh", "-c", "trap 'echo stopped; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: log.read_text() == "ready\n")
    started.shim.terminate()
    assert started.wait() == 0
    assert log.read_text() == "ready\nstopped\n"


def test_process_that_ignores_sigterm_is_killed_by_the_second_order(run: Run, log: Path) -> None:
    started = run("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: log.read_text() == "ready\n")
    started.shim.terminate()
    started.shim.send_signal(KILL_ALL)
    assert started.wait() == -signal.SIGKILL


@pytest.mark.parametrize("end", ["exits", "is killed", "is stopped"])
def test_nothing_that_the_process_detached_outlives_it(run: Run, tmp_path: Path, end: str) -> None:
    started = run(sys.executable, detaching.__file__, str(tmp_path / "note"), "0.5" if end == "exits" else "3600")
    detached = _detached(tmp_path / "note")
    assert sorted(detached) == sorted(detaching.KINDS)
    if end == "is killed":
        started.process.send(signal.SIGKILL)
    elif end == "is stopped":
        started.shim.terminate()
    started.wait()
    assert [kind for kind, process in detached.items() if process.is_alive()] == []


def test_process_dies_with_its_shim(run: Run) -> None:
    started = run("/bin/sleep", "3600")
    started.shim.kill()
    started.wait()
    until(lambda: not started.process.is_alive())


SUPERVISOR = f"""
import subprocess, sys
shim = subprocess.Popen({START!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
shim.stdin.write(sys.stdin.buffer.read())
shim.stdin.close()
print(shim.pid)
"""


def test_process_goes_on_and_is_logged_after_its_supervisor_has_ended(log: Path) -> None:
    program = "while :; do echo alive; sleep 0.05; done"
    order = json.dumps({"arguments": ["/bin/sh", "-c", program], "environment": {}, "log": str(log)})
    out = subprocess.run(
        [sys.executable, "-c", SUPERVISOR], cwd=ROOT, input=order, stdout=subprocess.PIPE, text=True, check=True
    )
    shim = Process.of(int(out.stdout))
    assert shim
    try:
        until(log.exists)
        before = log.stat().st_size
        until(lambda: log.stat().st_size > before + 50)
    finally:
        shim.send(KILL_ALL)
    until(lambda: not shim.is_alive())


def test_flood_of_output_never_passes_the_limit_and_is_not_waited_for(run: Run, log: Path) -> None:
    line = b"x" * 99 + b"\n"
    program = f"import os\nfor _ in range(3000): os.write(1, {line!r} * 1000)"
    started = run(sys.executable, "-c", program)
    biggest = 0
    while started.shim.poll() is None:
        sizes = [path.stat().st_size for path in list(log.parent.iterdir()) if path.exists()]
        biggest = max(biggest, sum(sizes))
    assert biggest <= 2 * MOST_LOG_BYTES
    assert started.wait() == 0
    kept = sum(path.read_bytes().count(line) for path in log.parent.iterdir())
    assert kept < 3_000_000
    last = json.loads(log.read_bytes().splitlines()[-1])
    assert last["action"] == "output-dropped"


@pytest.mark.skipif(not shutil.which("setpriv"), reason="it needs Linux and its setpriv")
def test_environment_of_the_process_is_not_readable_from_its_shim(run: Run) -> None:
    started = run("/bin/sleep", "3600")
    # Root may read every environment, unless it gives that capability up.
    reader = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    environ = f"/proc/{started.shim.pid}/environ"
    read = subprocess.run([*reader, "cat", environ], capture_output=True, text=True, check=False)
    assert read.returncode == 1
    assert "Permission denied" in read.stderr
