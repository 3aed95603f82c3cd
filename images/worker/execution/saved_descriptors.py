"""Keeps copies of the standard descriptors and of the working directory, and sets them back."""

import fcntl
import os
from typing import Final

_STANDARD: Final = (0, 1, 2)
_LEAST: Final = 200
"""The least number of a copy: the kernel gives low ones to files that handlers open, and close twice."""
_SEARCH: Final = getattr(os, "O_PATH", os.O_RDONLY)
"""How to open a directory that one may enter, though perhaps not read."""


class SavedDescriptors:
    """The files behind standard input, output and error, and the working directory.

    Nothing is compared: to look at a descriptor's file takes twice as long as to put it back, and to find the name of
    the working directory, too. A directory that was removed or moved in the meantime is no obstacle.
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
        here = os.open(".", _SEARCH)
        os.dup2(here, self._directory, inheritable=False)
        os.close(here)

    def restore(self) -> None:
        """Set all back. Raises ``OSError`` if something has closed a copy."""
        first, second, third = self._copies
        os.dup2(first, 0)
        os.dup2(second, 1)
        os.dup2(third, 2)
        os.fchdir(self._directory)
