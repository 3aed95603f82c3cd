"""Command: how one process of the local fleet is started, and where its output goes."""

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

from .process import MARK, Process, kill_group, marked

WORKER_COMMAND: Final = "CLOUDKON_LOCAL_COMMAND"
"""Environment variable: a command line to start instead of each worker, such as a profiler around it.

``{pool}`` in it becomes the pool's name, and ``{program}`` what would be run: ``py-spy record -- {program}``.
"""


class RunningProcess:
    """A started process with all that it starts in its turn."""

    def __init__(self, child: trio.Process, name: str, state_dir: Path) -> None:
        """``name`` is the one in its mark."""
        self._child, self._name, self._state_dir = child, name, state_dir
        self.process = Process.of(child.pid) or Process(child.pid, "")

    async def wait(self) -> int:
        """Wait for its end; give its exit code, negative for a signal."""
        return await self._child.wait()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._child.terminate()

    def kill(self) -> None:
        """Kill it, its process group, and what carries its mark: command lines have groups of their own."""
        kill_group(self.process.pid)
        for process in marked(self._name, self._state_dir):
            process.send(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """How a process is started: its command line and whole environment, and the file that takes its output."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    state_dir: Path
    log: Path

    async def start(self) -> RunningProcess:
        """Start it as the leader of a session of its own, so that no terminal's Ctrl-C reaches it.

        Its output is appended, so that a log may be cut short under it. Raises ``OSError``.
        """
        with self.log.open("ab") as log:
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
    """The command line of one worker of a pool. Raises ``InvalidSetting`` if ``CLOUDKON_LOCAL_COMMAND`` is none."""
    program = (sys.executable, "-m", f"images.{pool.name}")
    template = os.environ.get(WORKER_COMMAND, "")
    if not template:
        return program
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise InvalidSetting(f"setting {WORKER_COMMAND}", f"it is no command line: {error}") from None
    filled: list[str] = []
    for word in words:
        filled += program if word == "{program}" else [word.replace("{pool}", pool.name)]
    return tuple(filled)
