"""Starts one process of the local fleet, with its environment and its log file."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from cloudkon.errors import InvalidSetting
from cloudkon.model import Pool
from cloudkon.programs import module

from ..files import open_private
from .process import MARK, Process, kill_group, marked

WORKER_COMMAND: Final = "CLOUDKON_LOCAL_COMMAND"
"""Environment variable: a command line to start instead of each worker, such as a profiler around it.

``{pool}`` in it becomes the pool's name, ``{program}`` the worker's own command line: ``py-spy record -- {program}``.
"""


class RunningProcess:
    """A started process, together with the processes that it starts."""

    def __init__(self, child: trio.Process, name: str, state_dir: Path) -> None:
        """``name`` is the name in the process's mark."""
        self._child, self._name, self._state_dir = child, name, state_dir
        self.process = Process.of(child.pid) or Process(child.pid, "")

    async def wait(self) -> int:
        """Wait for the exit; return the exit code, negative for a signal."""
        return await self._child.wait()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._child.terminate()

    def kill(self) -> None:
        """Kill the process, its group, and all processes with its mark: command lines have groups of their own."""
        kill_group(self.process.pid)
        for process in marked(self._name, self._state_dir):
            process.send(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """The command line of a process, its whole environment, and the file that receives its output."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    state_dir: Path
    log: Path

    async def start(self) -> RunningProcess:
        """Start the process as the leader of a session of its own, so that no terminal's Ctrl-C reaches it.

        Output is appended, so that the log can be truncated while the process runs. Raises ``OSError``.
        """
        with open(self.log, "ab", opener=open_private) as log:  # noqa: ASYNC230  (as fast as the start itself)
            child = await trio.lowlevel.open_process(
                self.arguments,
                env={**self.environment, MARK: f"{self.name}@{self.state_dir}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return RunningProcess(child, self.name, self.state_dir)


def worker_program(pool: Pool) -> tuple[str, ...]:
    """Return the command line of one worker of a pool. Raises ``InvalidSetting`` for an invalid template."""
    program = (sys.executable, "-m", module(f"images.{pool.name}"))
    template = os.environ.get(WORKER_COMMAND, "")
    if not template:
        return program
    try:
        parts = shlex.split(template)
    except ValueError as error:
        raise InvalidSetting(f"setting {WORKER_COMMAND}", f"not a command line: {error}") from None
    filled: list[str] = []
    for part in parts:
        filled += program if part == "{program}" else [part.replace("{pool}", pool.name)]
    return tuple(filled)
