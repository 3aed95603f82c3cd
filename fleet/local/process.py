"""Identifies processes of this machine, by pid and start time, and stops them."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

import trio

from ..polling import poll_until

MARK: Final = "CLOUDKON_LOCAL_PROCESS"
"""Environment variable of every process that the local fleet starts; children inherit it: ``NAME@STATE_DIRECTORY``."""
PROC: Final = Path("/proc")
KILL_SECONDS: Final = 5.0
"""How long the kernel may take to end a killed process."""
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
        born = _start_time(pid)
        return cls(pid, born) if born else None

    def is_alive(self) -> bool:
        """Whether this process still runs, and not another one with its pid."""
        return _start_time(self.pid) == self.born

    def send(self, number: signal.Signals) -> None:
        """Send a signal; do nothing if the process has ended."""
        if self.is_alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


def kill_group(pid: int) -> None:
    """Kill what is left of the group of a process that was started as a group's leader."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def marked(name: str, state_dir: Path) -> list[Process]:
    """Return the processes with the mark of this state directory and of ``name`` (such as ``worker-1``; empty for all).

    Needs ``/proc`` (Linux). It finds processes that no record names: one that was started just before its supervisor
    was killed, or one that left its process group.
    """
    tail = f"@{state_dir}".encode()
    found = []
    for pid in _all_pids():
        value = _mark_of(pid)
        if value.endswith(tail) and (not name or value == name.encode() + tail) and (process := Process.of(pid)):
            found.append(process)
    return [process for process in found if process.pid != os.getpid()]


async def stop(processes: Sequence[Process], grace: float) -> None:
    """Send SIGTERM to all, and SIGKILL to those left after ``grace`` seconds; return when all have ended."""
    for process in processes:
        process.send(signal.SIGTERM)
    with trio.move_on_after(grace):
        await wait_until_gone(processes)
    for process in processes:
        process.send(signal.SIGKILL)
    # With a limit, because a process that hangs in the kernel (a dead disk) survives SIGKILL.
    with trio.move_on_after(KILL_SECONDS):
        await wait_until_gone(processes)


async def wait_until_gone(processes: Sequence[Process]) -> None:
    """Wait until none of the processes runs."""
    await poll_until(lambda: not any(process.is_alive() for process in processes), LOOK_SECONDS)


def _all_pids() -> Iterator[int]:
    if PROC.is_dir():
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _mark_of(pid: int) -> bytes:
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return b""
    prefix = f"{MARK}=".encode()
    return next((one.removeprefix(prefix) for one in variables if one.startswith(prefix)), b"")


def _start_time(pid: int) -> str:
    """Return the start time in the kernel's format; empty if the process does not run."""
    if not PROC.is_dir():
        return _start_time_by_ps(pid)
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    # The second field is the command in brackets, which may itself contain brackets and spaces.
    fields = stat.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else f"{_boot_id()}/{start}"


def _start_time_by_ps(pid: int) -> str:
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (a fixed command; its place differs by system)
    state, _, start = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


@cache
def _boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
