"""Starts one process of the local fleet under a shim, with its environment and its log file."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio

from cloudkon.errors import InvalidSetting
from cloudkon.model import Pool
from cloudkon.programs import module

from .identity import mark
from .processes.adopted_processes import AdoptedProcesses
from .processes.marks import SHIM
from .processes.process import Process
from .processes.process_table import MARK
from .processes.shim import KILL_ALL

WORKER_COMMAND: Final = "CLOUDKON_LOCAL_COMMAND"
"""Environment variable: a command line to start instead of each worker, such as a profiler around it.

``{pool}`` in it becomes the pool's name, ``{program}`` the worker's own command line: ``py-spy record -- {program}``.
"""
SHIM_VARIABLES: Final = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""The variables that a shim needs. Its environment can be read by other processes, so it holds no credentials."""
ANSWER_BYTES: Final = 4096
ADOPTED: Final = AdoptedProcesses()


class RunningProcess:
    """A started process, together with the processes that it starts."""

    def __init__(self, child: trio.Process, process: Process) -> None:
        """``child`` is the shim, ``process`` the process itself."""
        self._child = child
        self._killed = False
        self.process = process
        self.shim = Process.of(child.pid)

    async def wait(self) -> int:
        """Wait until the process and all that it started have ended; return its exit code, negative for a signal."""
        code = await self._child.wait()
        ADOPTED.remove(self._child.pid)
        await ADOPTED.end()
        return code

    def terminate(self) -> None:
        """Send SIGTERM to the process."""
        self._child.terminate()

    def kill(self) -> None:
        """Kill the process and all that it started; when called again, also the shim, which should have done it."""
        self._child.send_signal(KILL_ALL)
        if self._killed:
            self._child.kill()
        self._killed = True


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """The command line of a process, its whole environment, and the file that receives its output.

    The process inherits ``descriptors`` under their numbers.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    state_dir: Path
    log: Path
    descriptors: tuple[int, ...] = ()

    async def start(self) -> RunningProcess:
        """Start the process as the leader of a session of its own, so that no terminal's Ctrl-C reaches it.

        Raises ``OSError``.
        """
        own_mark = mark(self.name, self.state_dir)
        kept = {name: os.environ[name] for name in SHIM_VARIABLES if name in os.environ}
        order = {
            "arguments": self.arguments,
            "environment": {**self.environment, MARK: own_mark},
            "log": str(self.log),
            "descriptors": self.descriptors,
        }
        with ADOPTED.starting():
            child = await trio.lowlevel.open_process(
                [sys.executable, "-m", SHIM, own_mark],
                env={**kept, MARK: own_mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=self.descriptors,
                start_new_session=True,
            )
            ADOPTED.add(child.pid)
        return RunningProcess(child, await _handshake(child, order))


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


async def _handshake(child: trio.Process, order: Mapping[str, Any]) -> Process:
    """Give the shim its order; return the process that it started. Raises ``OSError`` if it started none."""
    assert child.stdin, "it is a pipe"
    assert child.stdout, "it is a pipe"
    answer = b""
    async with child.stdin, child.stdout:
        try:
            await child.stdin.send_all(json.dumps(order).encode())
            await child.stdin.aclose()
            while not answer.endswith(b"\n") and (part := await child.stdout.receive_some(ANSWER_BYTES)):
                answer += part
        except trio.BrokenResourceError:
            answer = b""
    value: dict[str, Any] = json.loads(answer) if answer.endswith(b"\n") else {"error": "its shim has ended"}
    if "pid" in value:
        return Process(value["pid"], value["born"])
    ADOPTED.remove(child.pid)
    await child.wait()
    raise OSError(value.get("errno", 0), value["error"], value.get("file", ""))
