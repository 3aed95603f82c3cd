"""Saves the emulator's state as numbered snapshots: directories that get their names once they are complete."""

import asyncio
import copy
import gc
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from .interface import ORDERLY

KEPT: Final = 2
"""Complete snapshots that are kept: the last one, and the one before."""
PARTIAL: Final = ".partial"
NICENESS: Final = 10
"""Of the process that writes: workers come first."""
LONGEST_SECONDS: Final = 120.0
"""After this time a writing process is taken for hung, and is killed."""
_LONGEST_PROBLEM: Final = 1000

Services = Mapping[str, Callable[[], Any]]
"""Names of services, with what returns the state of each."""


def newest(directory: Path) -> Path | None:
    """Return the newest complete snapshot; ``None`` if there is none."""
    return max(_complete(directory), key=lambda path: int(path.name), default=None)


def remove_partial(directory: Path) -> None:
    """Remove what writers that were killed have left."""
    for path in directory.glob(f"*{PARTIAL}"):
        shutil.rmtree(path, ignore_errors=True)


class Snapshots:
    """Writes snapshots of one emulator."""

    def __init__(
        self, directory: Path, services: Callable[[], Services], write_state: Callable[[Path, str, Any], None]
    ) -> None:
        """``write_state`` writes one service's state into a directory. It may raise ``OSError``."""
        self._directory, self._services, self._write_state = directory, services, write_state
        self._lock = asyncio.Lock()
        self._writer = 0

    async def save(self, fork: Callable[[], int]) -> str:
        """Save in a process of its own; return the problem, empty if there is none.

        The process is a copy of this one, so the snapshot shows all services at one moment, and requests go on while it
        is written.
        """
        async with self._lock:
            number = self._next_number()
            try:
                reading, writing = os.pipe()
            except OSError as error:  # no descriptor is left
                return str(error)
            try:
                pid = fork()
            except OSError as error:  # no memory or no process is left
                os.close(reading)
                os.close(writing)
                return str(error)
            if not pid:
                self._write_and_exit(number, writing)
            os.close(writing)
            self._writer = pid
            try:
                problem = await _wait(pid, reading)
            except asyncio.CancelledError:
                self._end_writer()
                raise
            self._writer = 0
            if not problem and not self._path(number).exists():
                problem = "the process that saves was killed"
            return problem

    def _write_and_exit(self, number: int, writing: int) -> NoReturn:
        try:
            _become_writer(writing)
            problem = self._write_snapshot(number)
            os.write(writing, problem.encode()[:_LONGEST_PROBLEM])
        finally:
            os._exit(0)

    def save_at_end(self) -> str:
        """Save in this process, when no requests are served any more; return the problem, empty if there is none.

        A save that still goes on is older, and would write into the same directory: it is ended.
        """
        self._end_writer()
        return self._write_snapshot(self._next_number(), orderly=True)

    def _end_writer(self) -> None:
        if self._writer:
            os.kill(self._writer, signal.SIGKILL)
            os.waitpid(self._writer, 0)
            shutil.rmtree(self._partial(self._next_number(), self._writer), ignore_errors=True)
        self._writer = 0

    def _next_number(self) -> int:
        latest = newest(self._directory)
        return int(latest.name) + 1 if latest else 1

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08}"

    def _partial(self, number: int, writer: int) -> Path:
        # A writer whose server was killed may still be at work, and would have the same number.
        return self._path(number).with_suffix(f".{writer}{PARTIAL}")

    def _write_snapshot(self, number: int, *, orderly: bool = False) -> str:
        partial = self._partial(number, os.getpid())
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for name, state in self._services().items():
                if (value := state()) is not None:
                    self._write_state(partial, name, value)
            if orderly:
                (partial / ORDERLY).touch()
            _flush(partial)
            partial.rename(self._path(number))
        except Exception as error:  # noqa: BLE001  (also what the emulator's modules raise: it goes to the log)
            shutil.rmtree(partial, ignore_errors=True)
            return str(error) or repr(error)
        for path in sorted(_complete(self._directory))[:-KEPT]:
            shutil.rmtree(path, ignore_errors=True)
        return ""


def _complete(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*") if path.name.isdecimal() and path.is_dir()]


def _become_writer(writing: int) -> None:
    """Turn this copy of the server into a process that only writes, and holds neither its port nor its connections."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.closerange(3, writing)
    os.closerange(writing + 1, os.sysconf("SC_OPEN_MAX"))
    os.nice(NICENESS)
    # The collector would touch, and so copy, all memory that is still shared with the server.
    gc.disable()
    # The states are a copy already.
    copy.deepcopy = lambda value, *_: value


async def _wait(pid: int, reading: int) -> str:
    """Wait for the end of a writing process; return what it says."""
    deadline = time.monotonic() + LONGEST_SECONDS
    wait = 0.005
    while not os.waitpid(pid, os.WNOHANG)[0]:  # noqa: ASYNC222  (it does not block)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, 0.1)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode(errors="replace")


def _flush(directory: Path) -> None:
    """Write the files to the disk, so that a power failure finds either all of them or no snapshot."""
    for path in [*directory.iterdir(), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
