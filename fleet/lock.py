"""Lock: a file that one process at a time holds. The kernel lets go of it when its holder dies, however it dies."""

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
        """Nothing is opened yet."""
        self._path = path
        self._descriptor = -1

    def take(self, kind: int = fcntl.LOCK_EX) -> bool:
        """Take it if it is free; say whether it is ours. Raises ``InvalidInput`` where it can't be made."""
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
        """Let go. The file stays: to delete it would let two processes hold two files of one name."""
        os.close(self._descriptor)
        self._descriptor = -1

    def is_held(self) -> bool:
        """Whether anybody holds it now. Asked by a shared lock, so that two who ask don't take each other for one."""
        if not self._path.exists():
            return False
        if not self.take(fcntl.LOCK_SH):
            return True
        self.release()
        return False

    def is_in_place(self) -> bool:
        """Whether the file that we hold still is the one under its name: false after somebody's ``rm -r``."""
        try:
            found, ours = self._path.stat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    @asynccontextmanager
    async def taken(self, waiting: Callable[[], None]) -> AsyncIterator[None]:
        """Hold it for a while, however long it takes to get; ``waiting`` is called once if it is not free."""
        if not self.take():
            waiting()
            await poll_until(self.take, LOOK_SECONDS)
        try:
            yield
        finally:
            self.release()

    @contextmanager
    def briefly(self) -> Iterator[None]:
        """Hold it for the milliseconds of reading and writing one small file; blocks until it is free."""
        with translate_os_errors(self._path):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            self.release()
