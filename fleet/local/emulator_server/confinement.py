"""Confines the emulator to what it needs: no program, no connection, and no file outside of its own directories.

The emulator can run functions, containers and scripts, call other servers, and listen on more ports. A local fleet
needs none of that, so an audit hook of Python refuses it, whatever request leads there.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROGRAMS: Final = (
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pty.spawn",
    "subprocess.Popen",
)
_CHANGES_WHOLE_PATH: Final = ("os.truncate", "shutil.rmtree")
_CHANGES_ONE: Final = ("os.chmod", "os.chown", "os.mkdir", "os.remove", "os.rmdir")
"""Events whose first argument is a path, and whose last one is the descriptor of its directory, or -1."""
_CHANGES_TWO: Final = ("os.link", "os.rename", "os.symlink")


class Confinement:
    """Refuses events for the rest of the process's life."""

    def __init__(self, directories: Iterable[Path], address: tuple[str, int]) -> None:
        """Only files below ``directories`` can be written; ``address`` is the only one to listen on and to call."""
        self._roots = tuple(f"{path.absolute()}{os.sep}" for path in directories)
        self._address = address
        self._may_fork = False
        self._checks: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "open": self._check_open,
            "socket.bind": self._check_address,
            "socket.connect": self._check_address,
            **dict.fromkeys(_PROGRAMS, self._check_program),
            **dict.fromkeys(_CHANGES_WHOLE_PATH, self._check_first_path),
            **dict.fromkeys(_CHANGES_ONE, self._check_one_path),
            **dict.fromkeys(_CHANGES_TWO, self._check_two_paths),
        }

    def begin(self) -> None:
        """Confine this process. Modules that are imported later leave no bytecode files."""
        sys.dont_write_bytecode = True
        sys.addaudithook(self._check)

    @contextmanager
    def fork_allowed(self) -> Iterator[None]:
        """Allow this thread's ``os.fork`` inside of the block, which must not await."""
        self._may_fork = True
        try:
            yield
        finally:
            self._may_fork = False

    def _check(self, event: str, arguments: tuple[Any, ...]) -> None:
        check = self._checks.get(event)
        if check:
            check(arguments)

    def _check_program(self, arguments: tuple[Any, ...]) -> None:
        if not self._may_fork or arguments:
            raise PermissionError(f"a local fleet's emulator starts no programs: {arguments}")

    def _check_address(self, arguments: tuple[Any, ...]) -> None:
        if arguments[1][:2] != self._address:
            raise PermissionError(f"a local fleet's emulator uses no other address: {arguments[1]}")

    def _check_open(self, arguments: tuple[Any, ...]) -> None:
        path, _, flags = arguments
        if flags & _WRITING and not isinstance(path, int):
            self._check_path(path)

    def _check_first_path(self, arguments: tuple[Any, ...]) -> None:
        self._check_path(arguments[0])

    def _check_one_path(self, arguments: tuple[Any, ...]) -> None:
        # With a descriptor, the name is below a directory whose removal was checked before.
        if arguments[-1] == -1:
            self._check_path(arguments[0])

    def _check_two_paths(self, arguments: tuple[Any, ...]) -> None:
        self._check_path(arguments[0])
        self._check_path(arguments[1])

    def _check_path(self, path: Any) -> None:  # noqa: ANN401  (a str, bytes, path or descriptor)
        if isinstance(path, int):
            return
        name = os.fsdecode(path)
        # Links are not followed: the emulator can make none that leads out of its directories.
        whole = os.path.abspath(name)  # noqa: PTH100  (pathlib has nothing that removes ".." and asks no disk)
        if name != os.devnull and not f"{whole}{os.sep}".startswith(self._roots):
            raise PermissionError(f"a local fleet's emulator writes nothing there: {name}")
