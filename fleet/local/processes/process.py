"""Identifies processes of this machine, by pid and start time, and stops them."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import trio

from cloudkon.process_tree import send_signal

from ...polling import poll_until
from .marks import mark_of
from .process_table import all_pids, owner_of, session_of, start_time
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
        send_signal(self.pid, number, self.is_alive)

    def terminate(self) -> None:
        """Send SIGTERM. A stopped process (SIGSTOP) is continued, so that it sees the signal now."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)


def marked(marks: Sequence[str]) -> list[Process]:
    """Return the processes with one of these marks, or with one that ends with it (``@ID`` for all names).

    It finds processes that no record names: one that was started just before its supervisor was killed, or one that
    left its shim. A process that refuses inspection is found by its command line, if it is a shim or a supervisor.
    """
    others = [process for pid in all_pids() if pid != os.getpid() and (process := Process.of(pid))]
    found = []
    for process in others:
        own = mark_of(process.pid)
        # The mark may be that of a process that got the pid meanwhile.
        if any(own == one or (one.startswith("@") and own.endswith(one)) for one in marks) and process.is_alive():
            found.append(process)
    return found


def session_members(leaders: Sequence[Process]) -> list[Process]:
    """Return this user's processes in the sessions of those leaders that run.

    A leader's pid that is free again may belong to another session, whose leader has ended too.
    """
    own = [process for pid in all_pids() if owner_of(pid) == os.getuid() and (process := Process.of(pid))]
    found = [(session_of(process.pid), process) for process in own]
    # After the look: as long as a leader runs, nothing else has its pid as a session.
    sessions = {leader.pid for leader in leaders if leader.is_alive()}
    return [process for session, process in found if session in sessions and process.is_alive()]


async def stop(processes: Sequence[Process], grace: float) -> None:
    """Send SIGTERM to all, and SIGKILL to those left after ``grace`` seconds; return when all have ended."""
    for process in processes:
        process.terminate()
    await wait_until_gone(processes, grace)
    await kill(processes)


async def stop_shims(shims: Sequence[Process], grace: float) -> None:
    """Stop shims with their processes; after ``grace`` seconds they kill what is left of them."""
    for shim in shims:
        shim.terminate()
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
