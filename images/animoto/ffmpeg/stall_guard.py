"""Idling: a program that has something to do and does nothing, which would hold a slot until its task's time is up.

So does an ffmpeg, once in eighty times, whose memory runs out while it starts: one of its threads waits for another one
that was never made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

CHECK_SECONDS = 5.0
"""From one look at the processor time that it has taken to the next."""
MOST_IDLE_CHECKS = 12
"""At which nothing has changed, and nobody but the program could have changed it. A disk may be slow for that long."""


class StallGuard:
    """Looks at one process. Where there is no ``/proc``, nothing is ever seen."""

    def __init__(self, pid: int) -> None:
        """``pid`` is a child's that nobody has waited for."""
        self._stat = Path(f"/proc/{pid}/stat")
        self._pauses = 0
        self._pauses_ever = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile it may idle: it waits for us."""
        self._pauses += 1
        self._pauses_ever += 1
        try:
            yield
        finally:
            self._pauses -= 1

    async def wait(self) -> float:
        """Wait until it has idled for too long; give how long that was, in seconds."""
        looks, before = 0, None
        while looks < MOST_IDLE_CHECKS:
            await trio.sleep(CHECK_SECONDS)
            now = self._taken(), self._pauses_ever
            idles = now == before and now[0] is not None and not self._pauses
            looks, before = looks + 1 if idles else 0, now
        return looks * CHECK_SECONDS

    def _taken(self) -> tuple[str, str] | None:
        """Its processor time, in the program and in the kernel, all threads together (proc(5)); ``None`` at its end."""
        try:
            state, *fields = self._stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if state == "Z" else (fields[10], fields[11])
