"""Tells which processes of this machine belong to a local fleet, by the marks that it starts them with.

Anybody can write a mark: in the arguments of an editor or of ``pgrep``, or in a program of their own. So only processes
of this user have one, and a command line counts only if it starts a program of ours.
"""

import os
from typing import Final

from cloudkon.programs import module

from .process_table import arguments_of, mark_in_environment, owner_of

SHIM: Final = module("fleet.local.processes.shim")
_MARKED: Final = (SHIM, module("fleet.local"))
"""The modules whose only argument is their mark, since they refuse that others read their environment."""


def mark_of(pid: int) -> str:
    """Return the mark of a process that a local fleet of this user has started; empty for every other process."""
    if owner_of(pid) != os.getuid():
        return ""
    return mark_in_environment(pid) or _mark_in_arguments(pid, _MARKED)


def is_shim(pid: int) -> bool:
    """Whether a process is a shim of this user, by its command line."""
    return owner_of(pid) == os.getuid() and bool(_mark_in_arguments(pid, (SHIM,)))


def _mark_in_arguments(pid: int, programs: tuple[str, ...]) -> str:
    """Return the last argument of ``python -m PROGRAM MARK``; empty for any other command line."""
    match arguments_of(pid):
        case [_, "-m", program, mark] if program in programs:
            return mark
    return ""
