"""Process: one process of the machine, told from a later one that got the same number."""

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
"""Environment variable of all that the local fleet starts, and of what these start: ``NAME@STATE_DIRECTORY``."""
PROC: Final = Path("/proc")
KILL_SECONDS: Final = 5.0
"""How long the kernel may take to end a killed process."""
LOOK_SECONDS: Final = 0.05
"""Between two looks at processes that are not our children, for which nothing wakes us."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its number and its birth, as the kernel tells it; after a reboot nothing is the same."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now; ``None`` where there is none, or only an unburied one (zombie)."""
        born = _born(pid)
        return cls(pid, born) if born else None

    def is_alive(self) -> bool:
        """Whether it, and not another with its number, still runs."""
        return _born(self.pid) == self.born

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing if it is gone."""
        if self.is_alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


def kill_group(pid: int) -> None:
    """Kill what is left in the process group of a process that we started as a group's leader."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def marked(name: str, state_dir: Path) -> list[Process]:
    """What carries the mark: started for this state directory, by ``name`` (such as ``worker-1``; empty for all).

    Only where there is ``/proc`` (Linux). It finds what no record names: a process that was started just before
    its supervisor was killed, or one that left its process group.
    """
    tail = f"@{state_dir}".encode()
    found = []
    for pid in _all_pids():
        value = _mark_of(pid)
        if value.endswith(tail) and (not name or value == name.encode() + tail) and (process := Process.of(pid)):
            found.append(process)
    return [process for process in found if process.pid != os.getpid()]


async def stop(processes: Sequence[Process], grace: float) -> None:
    """SIGTERM them all, and after ``grace`` seconds SIGKILL those that are left; return when all are gone."""
    for process in processes:
        process.send(signal.SIGTERM)
    with trio.move_on_after(grace):
        await wait_until_gone(processes)
    for process in processes:
        process.send(signal.SIGKILL)
    # Bounded, since one that hangs in the kernel (a dead disk) outlives even that.
    with trio.move_on_after(KILL_SECONDS):
        await wait_until_gone(processes)


async def wait_until_gone(processes: Sequence[Process]) -> None:
    """Wait until none of them runs any more."""
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


def _born(pid: int) -> str:
    """When it was started, in the kernel's words; empty if it does not run."""
    if not PROC.is_dir():
        return _born_by_ps(pid)
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    # The second field is the command in brackets, which may itself have brackets and blanks in it.
    fields = stat.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else f"{_boot()}/{start}"


def _born_by_ps(pid: int) -> str:
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (a fixed command; its place differs by system)
    state, _, start = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


@cache
def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
