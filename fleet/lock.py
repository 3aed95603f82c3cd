"""Locks a file for one process at a time. The kernel releases the lock when its holder dies."""

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from .files import translate_os_errors
from .polling import poll_until

LOOK_SECONDS: Final = 0.1


class Lock:
    """An advisory lock (flock). Children don't inherit it: Python opens files close-on-exec."""

    def __init__(self, path: Path) -> None:
        """The file is opened when the lock is taken."""
        self._path = path
        self._descriptor = -1

    def take(self, kind: int = fcntl.LOCK_EX) -> bool:
        """Take the lock if it is free; return whether it was. Raises ``InvalidInput`` if the file can't be created."""
        with translate_os_errors(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Release the lock. The file stays: without it, two processes could hold two files of one name."""
        os.close(self._descriptor)
        self._descriptor = -1

    def is_held(self) -> bool:
        """Whether a process holds the lock now. It takes a shared lock, so that two checks don't block each other."""
        if not self._path.exists():
            return False
        if not self.take(fcntl.LOCK_SH):
            return True
        self.release()
        return False

    def is_in_place(self) -> bool:
        """Whether the held file is still the one under its name: false after an ``rm -r``."""
        try:
            current, held = self._path.stat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return (current.st_dev, current.st_ino) == (held.st_dev, held.st_ino)

    @asynccontextmanager
    async def taken(self, on_wait: Callable[[], None]) -> AsyncIterator[None]:
        """Wait for the lock and hold it inside the block; ``on_wait`` is called once if the lock is not free."""
        if not self.take():
            on_wait()
            await poll_until(self.take, LOOK_SECONDS)
        try:
            yield
        finally:
            self.release()

    @contextmanager
    def briefly(self) -> Iterator[None]:
        """Block until the lock is free, and hold it for the milliseconds of reading and writing one small file."""
        with translate_os_errors(self._path):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            self.release()
