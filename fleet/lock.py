"""Locks a file for one process at a time. The kernel releases the lock when its holder dies."""

import fcntl
import os
import secrets
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

    def take(self) -> bool:
        """Take the lock if it is free; return whether it was. Raises ``InvalidInput`` if the file can't be created."""
        self._descriptor = _open_locked(self._path, fcntl.LOCK_EX)
        if self._descriptor < 0:
            return False
        # Since it was opened, the file may have been removed, or replaced by one that another process holds.
        if not self.is_in_place():
            self.release()
            return False
        return True

    def release(self) -> None:
        """Release the lock. The file stays: without it, two processes could hold two files of one name."""
        os.close(self._descriptor)
        self._descriptor = -1

    def replace_file(self) -> None:
        """Hold a new file of this name instead of the held one, which may be a hard link to another directory's lock.

        Raises ``OSError``.
        """
        staged = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        staged.replace(self._path)
        self.release()
        self._descriptor = descriptor

    def is_held(self) -> bool:
        """Whether a process holds the lock now. It takes a shared lock, so that two checks don't block each other."""
        if not self._path.exists():
            return False
        descriptor = _open_locked(self._path, fcntl.LOCK_SH)
        if descriptor < 0:
            return True
        os.close(descriptor)
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


def _open_locked(path: Path, kind: int) -> int:
    """Open and lock a file, without waiting; return its descriptor, or -1 if another process holds the lock.

    Raises ``InvalidInput`` if the file can't be created, or not be locked on this file system.
    """
    with translate_os_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return -1
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
