"""Fixtures: each test gets a fleet of its own, run by the command line, and leaves no process behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trio

from cloudkon.errors import CloudKonError
from cloudkon.settings import Settings
from fleet.local.command_lines import WORKER_COMMAND
from fleet.local.emulator_installation import EXECUTABLE, ensure_installed, interpreter
from fleet.local.identity import marks
from fleet.local.processes.process import Process, marked
from fleet.local.state_dir import StateDir
from tests.support.emulator import ROOT, missing
from tests.support.patience import PATIENCE

STUB = Path(__file__).with_name("stub_worker.py")


@dataclass
class CommandLine:
    """``python -m fleet`` in a directory of its own, so that no file of the checkout is found by accident."""

    directory: Path
    environment: dict[str, str]

    @property
    def state_dir(self) -> StateDir:
        return StateDir(self.directory / ".cloudkon")

    @property
    def settings(self) -> Settings:
        return Settings(state_dir=self.state_dir.path)

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "fleet", *arguments],
            cwd=self.directory,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, **more: str) -> tuple[str, str]:
        """Run a command, check its exit code, and return its stdout and stderr."""
        process = self.start(*arguments, **more)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        assert process.returncode == code, f"{arguments} exited with {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return out, err

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json")[0])
        return found

    def workers(self) -> dict[str, int]:
        """Return the pids of the pool ``worker`` by name."""
        return {one["name"]: one["pid"] for one in self.status()["pools"]["worker"]["workers"]}

    def supervisor(self) -> Process:
        actual = self.state_dir.actual_state()
        assert actual
        return actual.supervisor

    def processes(self, name: str = "") -> list[Process]:
        """Return the fleet's processes of this name, or all, each with its shim."""
        return marked(marks(name, self.state_dir.path))

    def log(self, name: str) -> str:
        return (self.state_dir.logs / f"{name}.log").read_text()


@pytest.fixture(scope="session")
def emulator_program() -> str:
    """The emulator's executable: the given one, or an installation in the checkout that all sessions share."""
    if given := os.environ.get(EXECUTABLE):
        return given
    state_dir = StateDir(ROOT / ".cloudkon")

    async def install() -> None:
        async with state_dir.command_lock.taken(lambda: None):
            await ensure_installed(state_dir, lambda _: None)

    try:
        state_dir.make()
        trio.run(install)
    except CloudKonError as error:
        missing(str(error))
    return str(interpreter(state_dir).with_name("ministack"))


@pytest.fixture
def fleet(tmp_path: Path, emulator_program: str) -> Iterator[CommandLine]:
    if not Path("/proc/self/environ").exists():
        missing("these tests look for leftover processes in /proc, which this system does not have")
    ours = ("CLOUDKON_", "AWS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "PYTHONPATH": str(ROOT),
        EXECUTABLE: emulator_program,
        WORKER_COMMAND: f"{sys.executable} {STUB} {{pool}}",
    }
    line = CommandLine(tmp_path, environment)
    yield line
    own_marks = marks("", line.state_dir.path)
    if line.state_dir.path.exists():
        line.run("down")
    assert marked(own_marks) == []


@pytest.fixture
def whole(fleet: CommandLine) -> CommandLine:
    """A fleet with real workers, and with short leases, so that others soon take over a dead worker's chunks."""
    environment = {name: value for name, value in fleet.environment.items() if name != WORKER_COMMAND}
    leases = {"CLOUDKON_LEASE_SECONDS": "4", "CLOUDKON_SKEW_SECONDS": "1", "CLOUDKON_POLL_SECONDS": "1"}
    return replace(fleet, environment=environment | leases)
