"""Guards one child of this process: when it or the worker ends, all that the child started ends too."""

import os
import select
import signal
from contextlib import suppress

from .process_tree import kill_descendants


def guard(child: int, control: int) -> int:
    """Wait until the child ends or the other end of ``control`` closes; kill all descendants; return the wait status.

    This process must have a single thread and adopt orphans. A child that had to be killed has that status.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only handled signals wake the pipe
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    status = _reap(child)
    while status is None:
        ready, _, _ = select.select([reader, control], [], [])
        if control in ready:
            break
        with suppress(BlockingIOError):
            os.read(reader, 4096)
        status = _reap(child)
    if status is None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    kill_descendants()
    return status


def _reap(child: int) -> int | None:
    """Reap all children that have ended, orphans too; return the child's status if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                break
            if process == child:
                found = status
    return found
