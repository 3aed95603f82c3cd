"""Detects a process that has work but does nothing, and would hold a slot until its task's deadline.

ffmpeg stalls like that about once in eighty times when memory runs out while it starts: one of its threads waits for
another one that was never created.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

CHECK_SECONDS = 5.0
"""Time between checks of the process's processor time."""
MOST_IDLE_CHECKS = 12
"""Checks in a row without progress, while only the process itself could have made progress. A disk may be slow for as
long."""


class StallGuard:
    """Watches one process. Without ``/proc`` it never detects a stall."""

    def __init__(self, pid: int) -> None:
        """Watch a child process that has not been waited for."""
        self._stat = Path(f"/proc/{pid}/stat")
        self._pauses = 0
        self._pauses_ever = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the watch while the process waits for us."""
        self._pauses += 1
        self._pauses_ever += 1
        try:
            yield
        finally:
            self._pauses -= 1

    async def wait(self) -> float:
        """Wait until the process has stalled, and return for how many seconds."""
        looks, before = 0, None
        while looks < MOST_IDLE_CHECKS:
            await trio.sleep(CHECK_SECONDS)
            now = self._taken(), self._pauses_ever
            idles = now == before and now[0] is not None and not self._pauses
            looks, before = looks + 1 if idles else 0, now
        return looks * CHECK_SECONDS

    def _taken(self) -> tuple[str, str] | None:
        """Return the processor time of all its threads, in user mode and in the kernel (proc(5)).

        Returns ``None`` when the process has ended.
        """
        try:
            state, *fields = self._stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if state == "Z" else (fields[10], fields[11])
