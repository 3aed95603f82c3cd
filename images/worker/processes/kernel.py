"""Calls those functions of the Linux kernel about this process that Python doesn't have. Elsewhere they do nothing."""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_NO_NEW_PRIVS: Final = 39
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
"""Numbers of system calls. They are the same on every architecture; glibc has no wrappers for them."""
_VERSION: Final = 1
"""The flag that asks for Landlock's version."""
_FIRST_VERSION_WITH_SCOPES: Final = 6
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 3
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Ruleset(ctypes.Structure):
    """C's ``struct landlock_ruleset_attr``."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def make_undumpable() -> None:
    """Keep processes of the same user from reading this one's memory, environment and descriptors, and from tracing it.

    Forked processes inherit this; a process that executes another program loses it (prctl(2), PR_SET_DUMPABLE).
    The kernel writes no core dumps of it either, and debuggers and profilers such as py-spy need root.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Make this process the parent of its descendants that lose theirs. Forked processes don't inherit this."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it has ended."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def has_no_new_privileges() -> bool:
    """Whether this process can't gain rights by executing a program, as in the fleet's containers."""
    return _prctl(_PR_GET_NO_NEW_PRIVS, 0) == 1


def enter_domain() -> bool:
    """Put this thread into a Landlock domain of its own; return whether the kernel has such domains.

    It and the processes that it starts can't trace, read (in ``/proc``) or signal a process outside. They lose no
    access to files. It needs Linux 6.12 and a process without the possibility of new privileges.
    """
    if _LIBC is None or _LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _VERSION) < _FIRST_VERSION_WITH_SCOPES:
        return False
    rules = _Ruleset(0, 0, _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS)
    descriptor = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    if descriptor < 0:
        return False
    try:
        return bool(_LIBC.syscall(_LANDLOCK_RESTRICT_SELF, descriptor, 0) == 0)
    finally:
        os.close(descriptor)


def _prctl(option: int, value: int) -> int:
    return int(_LIBC.prctl(option, value, 0, 0, 0)) if _LIBC is not None else -1
