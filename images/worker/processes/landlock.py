"""Enters Landlock domains, for which neither Python nor glibc has functions."""

import ctypes
import os
import sys
from typing import Final

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
