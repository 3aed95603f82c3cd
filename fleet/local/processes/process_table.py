"""Reads the kernel's table of processes: start times, sessions, and the marks of the fleet's processes.

Needs ``/proc`` (Linux). Elsewhere only start times are known, from ``ps``.
"""

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from cloudkon.process_tree import stat_fields

MARK: Final = "CLOUDKON_LOCAL_PROCESS"
"""Environment variable of every process that the local fleet starts; children inherit it: ``NAME@STATE_DIRECTORY_ID``.

It is also the last argument of the supervisor and of the shims, because a process can refuse that others read its
environment, but not its command line.
"""
PROC: Final = Path("/proc")


def start_time(pid: int) -> str:
    """Return the start time in the kernel's format; empty if the process does not run."""
    if not PROC.is_dir():
        return _start_time_by_ps(pid)
    fields = stat_fields(pid)
    return "" if not fields or fields[0] in "ZX" else f"{_boot_id()}/{fields[19]}"


def session_of(pid: int) -> int:
    """Return the id of a process's session; 0 if the process does not run."""
    fields = stat_fields(pid)
    return int(fields[3]) if fields and fields[0] not in "ZX" else 0


def owner_of(pid: int) -> int:
    """Return the id of the user who runs a process; -1 if it does not run.

    It is not the owner of the process's folder: that of a process that refuses inspection is root's.
    """
    try:
        status = (PROC / str(pid) / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return -1
    found = [line.split()[1] for line in status.splitlines() if line.startswith("Uid:")]
    return int(found[0]) if found else -1


def all_pids() -> Iterator[int]:
    """Yield the pids of all processes that this user can see."""
    if PROC.is_dir():
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def mark_in_environment(pid: int) -> str:
    """Return the mark that a process inherited; empty without one, or if its environment can't be read."""
    prefix = f"{MARK}=".encode()
    found = (one for one in _parts(pid, "environ") if one.startswith(prefix))
    return os.fsdecode(next(found, prefix).removeprefix(prefix))


def arguments_of(pid: int) -> list[str]:
    """Return a process's command line; empty if it can't be read."""
    return [os.fsdecode(one) for one in _parts(pid, "cmdline")]


def _parts(pid: int, name: str) -> list[bytes]:
    try:
        return (PROC / str(pid) / name).read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:  # gone, or another user's
        return []


def _start_time_by_ps(pid: int) -> str:
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (a fixed command; its place differs by system)
    state, _, start = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


@cache
def _boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
