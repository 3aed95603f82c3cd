"""Identifies processes of this machine, by pid and start time, and stops them."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import trio

from ...polling import poll_until
from .process_table import all_pids, arguments_of, mark_in_environment, session_of, start_time
from .shim import KILL_ALL

KILL_SECONDS: Final = 5.0
"""How long the kernel may take to end a killed process."""
SHIM_SECONDS: Final = 8.0
"""How long a shim may take to kill its process and all that the process started."""
LOOK_SECONDS: Final = 0.05
"""Between two checks of processes that are not our children: the kernel does not notify us of their exit."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its pid and its start time as the kernel reports it; ``born`` differs after a reboot."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the process that has this pid now; ``None`` if there is none, or only a zombie."""
        born = start_time(pid)
        return cls(pid, born) if born else None

    def is_alive(self) -> bool:
        """Whether this process still runs, and not another one with its pid."""
        return bool(self.born) and start_time(self.pid) == self.born

    def send(self, number: signal.Signals) -> None:
        """Send a signal; do nothing if the process has ended."""
        if self.is_alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


def marked(marks: Sequence[str]) -> list[Process]:
    """Return the processes with one of these marks, or with one that ends with it (``@ID`` for all names).

    It finds processes that no record names: one that was started just before its supervisor was killed, or one that
    left its shim. A process that refuses inspection is found by its command line, if it is a shim or a supervisor.
    """
    found = []
    for pid in all_pids():
        own = mark_in_environment(pid) or (arguments_of(pid) or [""])[-1]
        if any(own == one or (one.startswith("@") and own.endswith(one)) for one in marks) and pid != os.getpid():
            found.append(Process.of(pid))
    return [process for process in found if process]


def session_members(leader: Process) -> list[Process]:
    """Return what is left of the session of a process that has ended.

    The kernel gives its pid to no other process as long as the session has members.
    """
    if start_time(leader.pid) not in ("", leader.born):
        return []
    return [process for pid in all_pids() if session_of(pid) == leader.pid and (process := Process.of(pid))]


async def stop(processes: Sequence[Process], grace: float) -> None:
    """Send SIGTERM to all, and SIGKILL to those left after ``grace`` seconds; return when all have ended."""
    for process in processes:
        process.send(signal.SIGTERM)
    await wait_until_gone(processes, grace)
    await kill(processes)


async def stop_shims(shims: Sequence[Process], grace: float) -> None:
    """Stop shims with their processes; after ``grace`` seconds they kill what is left of them."""
    for shim in shims:
        shim.send(signal.SIGTERM)
    await wait_until_gone(shims, grace)
    for shim in shims:
        shim.send(KILL_ALL)
    await wait_until_gone(shims, SHIM_SECONDS)
    await kill(shims)


async def kill(processes: Sequence[Process]) -> None:
    """Send SIGKILL to all; return when all have ended."""
    for process in processes:
        process.send(signal.SIGKILL)
    # With a limit, because a process that hangs in the kernel (a dead disk) survives SIGKILL.
    await wait_until_gone(processes, KILL_SECONDS)


async def wait_until_gone(processes: Sequence[Process], seconds: float) -> None:
    """Wait until none of the processes runs, or until the time is up."""
    with trio.move_on_after(seconds):
        await poll_until(lambda: not any(process.is_alive() for process in processes), LOOK_SECONDS)
