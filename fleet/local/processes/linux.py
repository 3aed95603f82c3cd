"""Sets attributes of this process that only Linux has. Elsewhere the calls do nothing and return ``False``."""

import ctypes
import signal
import sys
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_CHILD_SUBREAPER: Final = 36
IS_LINUX: Final = sys.platform == "linux"
MOUNTS: Final = Path("/proc/self/mountinfo")


def become_subreaper() -> bool:
    """Make this process the parent of all its descendants whose parent dies; return whether it worked."""
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> bool:
    """Get SIGKILL when the parent dies; return whether it worked."""
    return _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def refuse_inspection() -> bool:
    """Refuse that other processes of this user read this one's memory and environment; return whether it worked.

    Where ``/proc`` hides processes (``hidepid``), it would hide this one from ``fleet down`` too, so nothing is done.
    """
    return not _proc_hides_processes() and _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> bool:
    return IS_LINUX and ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0


def _proc_hides_processes() -> bool:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    options = [line.split()[-1] for line in lines if " - proc " in line]
    return any("hidepid=" in option and "hidepid=0" not in option and "hidepid=off" not in option for option in options)
