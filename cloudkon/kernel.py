"""Sets attributes of this process that only Linux has. Elsewhere the calls do nothing and return ``False``."""

import ctypes
import signal
import sys
from typing import Final

IS_LINUX: Final = sys.platform == "linux"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_NO_NEW_PRIVS: Final = 39
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None


def make_undumpable() -> bool:
    """Keep processes of the same user from reading this one's memory, environment and descriptors, and from tracing it.

    Forked processes inherit this; a process that executes another program loses it (prctl(2), PR_SET_DUMPABLE).
    The kernel writes no core dumps of it either, and debuggers and profilers such as py-spy need root.
    """
    return _prctl(_PR_SET_DUMPABLE, 0) == 0


def adopt_orphans() -> bool:
    """Make this process the parent of its descendants that lose theirs. Forked processes don't inherit this."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0


def die_with_parent() -> bool:
    """Let the kernel kill this process when the thread that started it has ended."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0


def has_no_new_privileges() -> bool:
    """Whether this process can't gain rights by executing a program, as in the fleet's containers."""
    return _prctl(_PR_GET_NO_NEW_PRIVS, 0) == 1


def _prctl(option: int, value: int) -> int:
    return int(_LIBC.prctl(option, value, 0, 0, 0)) if _LIBC is not None else -1
