"""Ends processes: all descendants of this one, whichever sessions and groups they went into, or this one itself."""

import os
import resource
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_PATIENCE_SECONDS: Final = 5.0
"""How long to kill."""
_STEP_SECONDS: Final = 0.001


def kill_descendants(spared: Iterable[int] = ()) -> bool:
    """Kill and reap the descendants of this process, but for the children ``spared`` and theirs.

    Return whether none is left: a process of another user, or one that waits for a dead disk, does not end.
    This process must adopt orphans (``kernel.adopt_orphans``): then each descendant becomes its child in the end.
    """
    spared = set(spared)
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if not _reap(spared):
            return True
        stopped: set[int] = set()
        # A stopped process starts no further one, so this ends, even for programs that fork without end.
        while time.monotonic() < end and (found := _descendants(spared) - stopped):
            _signal(found, signal.SIGSTOP)
            stopped |= found
        if not stopped:
            return True
        _signal(stopped, signal.SIGKILL)
        time.sleep(_STEP_SECONDS)
    return False


def die_by(number: int) -> None:
    """End this process by the signal that ended another one, without a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def children() -> set[int]:
    """Return this process's children, those that have ended but for the reaping too."""
    try:
        threads = [Path(thread.path, "children").read_text() for thread in os.scandir("/proc/self/task")]
    except OSError:
        # A thread ended meanwhile, or the kernel was built without these files.
        return set(_children_by_parent()[os.getpid()])
    return {int(child) for thread in threads for child in thread.split()}


def _reap(spared: set[int]) -> bool:
    """Reap the children that have ended; return whether others may be left."""
    if spared:
        for child in children() - spared:
            with suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        return True
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants(spared: set[int]) -> set[int]:
    by_parent = _children_by_parent()
    found: set[int] = set()
    level = set(by_parent[os.getpid()]) - spared
    while level:
        found |= level
        level = {child for parent in level for child in by_parent[parent]} - found
    return found


def _children_by_parent() -> "defaultdict[int, list[int]]":
    """Return the processes of this machine or container by their parents; none where there is no ``/proc``."""
    by_parent: defaultdict[int, list[int]] = defaultdict(list)
    for directory in os.scandir("/proc") if Path("/proc/self").exists() else ():
        if not directory.name.isdigit():
            continue
        with suppress(OSError):
            # The name, in brackets, may contain anything.
            parent = Path(directory.path, "stat").read_bytes().rpartition(b")")[2].split()[1]
            by_parent[int(parent)].append(int(directory.name))
    return by_parent


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        # One may have ended meanwhile, or belong to another user.
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
