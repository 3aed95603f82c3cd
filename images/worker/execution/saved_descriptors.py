"""Keeps copies of the standard descriptors and of the working directory, and sets them back."""

import fcntl
import os
import signal
import stat
import termios
from contextlib import suppress
from typing import Final

_STANDARD: Final = (0, 1, 2)
_LEAST: Final = 200
"""The least number of a copy: the kernel gives low ones to files that handlers open, and close twice."""
_SEARCH: Final = getattr(os, "O_PATH", os.O_RDONLY)
"""How to open a directory that one may enter, though perhaps not read."""


def open_own_outputs() -> None:
    """Open the pipe or the terminal behind standard output, and error, anew.

    What a program sets for an open file, such as that writes don't block, it sets for all processes that share it: for
    the worker and its other slots. A file that must not be opened (a container's, whose user is another one) stays
    shared; so does a regular file, in which all have to write at one place.
    """
    for number in (1, 2):
        with suppress(OSError):
            if not (stat.S_ISFIFO(os.fstat(number).st_mode) or os.isatty(number)):
                continue
            kept = fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_APPEND)
            # A pipe that nobody reads would block the opening.
            opened = os.open(f"/proc/self/fd/{number}", kept | os.O_NONBLOCK | os.O_NOCTTY)
            os.set_blocking(opened, True)
            os.dup2(opened, number)
            os.close(opened)


class SavedDescriptors:
    """The files behind standard input, output and error with their flags, and the working directory.

    Which file a descriptor is, and where, is not compared: to look at it takes twice as long as to put it back, and to
    find the name of the working directory, too. A directory that was removed or moved meanwhile is no obstacle.
    """

    def __init__(self) -> None:
        """Keep the present ones."""
        self._copies = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _LEAST) for number in _STANDARD]
        self._directory = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _LEAST)
        self.keep()

    def keep(self) -> None:
        """Keep the present ones instead."""
        for copy, number in zip(self._copies, _STANDARD, strict=True):
            os.dup2(number, copy, inheritable=False)
        self._flags = [fcntl.fcntl(copy, fcntl.F_GETFL) for copy in self._copies]
        self._files = [copy for copy in self._copies if stat.S_ISREG(os.fstat(copy).st_mode)]
        self._terminals = [_Terminal(copy) for copy in self._copies if os.isatty(copy)]
        here = os.open(".", _SEARCH)
        os.dup2(here, self._directory, inheritable=False)
        os.close(here)

    def restore(self) -> None:
        """Set all back. Raises ``OSError`` if something has closed a copy."""
        first, second, third = self._copies
        # This ends the process's own locks (``lockf``) on these files, too.
        os.dup2(first, 0)
        os.dup2(second, 1)
        os.dup2(third, 2)
        for copy, flags in zip(self._copies, self._flags, strict=True):
            if fcntl.fcntl(copy, fcntl.F_GETFL) != flags:
                fcntl.fcntl(copy, fcntl.F_SETFL, flags)
        for copy in self._files:
            fcntl.flock(copy, fcntl.LOCK_UN)
            # Others have written to the file meanwhile, so its end is the place, and not where it was before.
            os.lseek(copy, 0, os.SEEK_END)
        for terminal in self._terminals:
            terminal.restore()
        os.fchdir(self._directory)


class _Terminal:
    """The modes of a terminal, such as whether it echoes what is typed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._foreground = self._find_foreground()
        self._modes = termios.tcgetattr(descriptor)

    def restore(self) -> None:
        """Set the modes back, unless the terminal is another program's by now: a shell has modes of its own."""
        with suppress(termios.error):
            if self._find_foreground() == self._foreground and self._modes != termios.tcgetattr(self._descriptor):
                # The kernel stops a process in the background that does this and has not blocked the signal.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
                try:
                    termios.tcsetattr(self._descriptor, termios.TCSANOW, self._modes)
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _find_foreground(self) -> int:
        """Return the terminal's foreground process group; 0 if it is not this process's terminal."""
        try:
            return os.tcgetpgrp(self._descriptor)
        except OSError:
            return 0
