"""Keeps other processes of this user from reading the memory and environment of this one."""

from pathlib import Path
from typing import Final

from cloudkon.kernel import make_undumpable

MOUNTS: Final = Path("/proc/self/mountinfo")


def refuse_inspection() -> bool:
    """Refuse that other processes of this user read this one's memory and environment; return whether it worked.

    Where ``/proc`` hides processes (``hidepid``), it would hide this one from ``fleet down`` too, so nothing is done.
    """
    return not _proc_hides_processes() and make_undumpable()


def _proc_hides_processes() -> bool:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    options = [line.split()[-1] for line in lines if " - proc " in line]
    return any("hidepid=" in option and "hidepid=0" not in option and "hidepid=off" not in option for option in options)
