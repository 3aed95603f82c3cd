"""Ends processes: this one, all its descendants, or another process's, whichever sessions and groups they went into.

A pid may belong to another process by the time it is signalled. So a signal goes to a handle of the process (a pidfd,
which Linux has since 5.3), after a check that this is still the process that was looked at.
"""

import os
import resource
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_PATIENCE_SECONDS: Final = 5.0
"""How long to kill."""
_STEP_SECONDS: Final = 0.001
_PARENT: Final = 1
_STARTED: Final = 19
"""Places of fields in ``/proc/PID/stat``, counted from the one behind the process's name (proc_pid_stat(5))."""


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
        if not (stopped := _stop_all(lambda: _descendants(os.getpid(), spared), end)):
            return True
        _signal(stopped, signal.SIGKILL)
        time.sleep(_STEP_SECONDS)
    return False


def kill_tree(root: int, started: int) -> None:
    """Kill a process that adopts orphans, with all its descendants; do nothing if it did not start at ``started``.

    It may be another process's child, and be stopped. Some milliseconds pass until the killed processes have ended.
    """

    def found() -> dict[int, int]:
        if start_ticks(root) != started:
            return {}
        return {**_descendants(root), root: started}

    _signal(_stop_all(found, time.monotonic() + _PATIENCE_SECONDS), signal.SIGKILL)


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
        return {child for child, _ in _children_by_parent()[os.getpid()]}
    return {int(child) for thread in threads for child in thread.split()}


def start_ticks(process: int) -> int:
    """Return when a process started, in the kernel's clock ticks since the boot; 0 if it is gone, or without ``/proc``.

    Together with the pid it tells processes apart.
    """
    fields = stat_fields(process)
    return int(fields[_STARTED]) if fields else 0


def stat_fields(process: int) -> list[str]:
    """Return what the kernel says of a process: state, parent, group, session, …; nothing if it is gone."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # The name stands before, in brackets, and may itself contain brackets and spaces.
    return stat.rpartition(")")[2].split()


def send_signal(process: int, number: int, is_same: Callable[[], bool]) -> None:
    """Signal a process if ``is_same``: if its pid still belongs to the process that was looked at.

    Do nothing if the process has ended, or if this user may not signal it.
    """
    handle = None
    with suppress(ProcessLookupError, PermissionError):
        # Other systems have no pidfds, older Pythons neither; and this process may have opened all that it may.
        with suppress(AttributeError, OSError):
            handle = os.pidfd_open(process)
        try:
            if not is_same():
                return
            if handle is None:
                os.kill(process, number)
            else:
                signal.pidfd_send_signal(handle, number)
        finally:
            if handle is not None:
                os.close(handle)


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


def _stop_all(found: Callable[[], dict[int, int]], end: float) -> dict[int, int]:
    """Stop the processes that are found, until no further one is, or until ``end``; return them with their starts.

    A stopped process starts no further one, so this ends, even for programs that fork without end.
    """
    stopped: dict[int, int] = {}
    while time.monotonic() < end and (new := dict(found().items() - stopped.items())):
        _signal(new, signal.SIGSTOP)
        stopped |= new
    return stopped


def _descendants(root: int, spared: Iterable[int] = ()) -> dict[int, int]:
    """Return the starts of a process's descendants by their pids, but for the children ``spared`` and theirs."""
    by_parent = _children_by_parent()
    found: dict[int, int] = {}
    level = {child: started for child, started in by_parent[root] if child not in spared}
    while level:
        found |= level
        level = {child: started for parent in level for child, started in by_parent[parent] if child not in found}
    return found


def _children_by_parent() -> "defaultdict[int, list[tuple[int, int]]]":
    """Return all processes that can be seen, with their starts, by their parents; none without ``/proc``."""
    by_parent: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for directory in os.scandir("/proc") if Path("/proc/self").exists() else ():
        if directory.name.isdigit() and (fields := stat_fields(int(directory.name))):
            by_parent[int(fields[_PARENT])].append((int(directory.name), int(fields[_STARTED])))
    return by_parent


def _signal(processes: Mapping[int, int], number: signal.Signals) -> None:
    """Signal processes, given by their pids and starts."""
    for process, started in processes.items():
        send_signal(process, number, lambda: start_ticks(process) == started)  # noqa: B023  (called before it returns)
