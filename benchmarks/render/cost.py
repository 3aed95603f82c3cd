"""Measures what a program and its child processes use."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_PAUSE = 0.02
"""Seconds between two samples of its memory."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Cost(NamedTuple):
    """CPU seconds, wall-clock seconds, and the peak memory of all its processes in bytes."""

    cpu: float
    wall: float
    peak: int


def cost_of(command: Sequence[str | Path]) -> Cost:
    """Run a command to its end. Raises ``SystemExit`` with its stderr if it fails."""
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, _resident(process.pid))
        time.sleep(_PAUSE)
    process.returncode = os.waitstatus_to_exitcode(status)
    with process.stderr or open(os.devnull, "rb") as stderr:  # noqa: PTH123  (it is a pipe)
        words = stderr.read().decode(errors="replace")
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}: {words.strip()[-500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - began, peak)


def _resident(root: int) -> int:
    """Resident bytes of a process and its descendants; shared memory counts for each."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # the process has ended
            children.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            continue
    return total
