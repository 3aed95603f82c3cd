"""Ends the processes that the supervisor adopts: what a killed shim left running."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import trio

from cloudkon.kernel import adopt_orphans
from cloudkon.process_tree import children

from ...polling import poll_until

LOOK_SECONDS: Final = 0.02
END_SECONDS: Final = 5.0
"""How long the kernel may take to end killed processes."""


class AdoptedProcesses:
    """All children of this process that it did not start itself. Until ``begin`` is called, nothing is adopted."""

    def __init__(self) -> None:
        """The supervisor has one for its whole life: a process's children belong to the process."""
        self._adopts = False
        self._starting = 0
        self._own: set[int] = set()

    def begin(self) -> None:
        """Adopt the descendants whose parents die, from now on (Linux only)."""
        self._adopts = adopt_orphans()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Enclose the start of a child up to ``add``: until then, it looks like an adopted one."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    def add(self, pid: int) -> None:
        """Note a child that this process started."""
        self._own.add(pid)

    def remove(self, pid: int) -> None:
        """Forget a child that has ended and was reaped."""
        self._own.discard(pid)

    async def end(self) -> None:
        """Kill and reap the adopted processes, with those that they leave in turn."""
        with trio.move_on_after(END_SECONDS):
            await poll_until(lambda: not self._kill(), LOOK_SECONDS)

    def _kill(self) -> bool:
        """Kill and reap once; return whether there was any, or whether it can't be known yet."""
        if not self._adopts:
            return False
        if self._starting:
            return True
        adopted = [pid for pid in children() if pid not in self._own]
        for pid in adopted:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return bool(adopted)
