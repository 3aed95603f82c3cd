"""Guards one child of this process: when it or the worker ends, all that the child started ends too."""

import os
import select
import signal
from contextlib import suppress
from typing import Final

from cloudkon.process_tree import kill_descendants

KILL_SECONDS: Final = 10.0
"""How long a guard may take to kill all; longer than it takes by itself."""
_READ_BYTES: Final = 4096


def wake_on_child() -> int:
    """Return a descriptor that can be read when a child has ended. Call it once in a process."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python writes only the signals that have a handler.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def guard(child: int, ended: int, control: int) -> tuple[int, bool]:
    """Wait until the child ends or the other end of ``control`` closes; then kill all descendants.

    Return the child's wait status, and whether nothing is left. A child that had to be killed has that status. This
    process must adopt orphans; ``ended`` is the descriptor of ``wake_on_child``.
    """
    status = _reap(child)
    while status is None:
        ready, _, _ = select.select([ended, control], [], [])
        if control in ready:
            break
        os.read(ended, _READ_BYTES)
        status = _reap(child)
    if status is None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return status, kill_descendants()


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
