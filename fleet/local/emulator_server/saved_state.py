"""Has the emulator read its saved state as a whole, or not start.

The emulator itself logs what it can't read (a damaged file, a full disk, no memory), and goes on without it. Its next
saves would then replace what is still on the disk by an empty ledger and empty queues.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .interface import SERVICES

Restorers = Mapping[str, Callable[[Any], object]]


class StateNotRead(Exception):
    """A needed service's saved state could not be read; the text is for the user."""


def read_state(directory: Path, load: Callable[[str], Any], restorers: Restorers) -> list[str]:
    """Read the states in ``directory``: ``load`` returns a service's, and ``restorers`` give each to its service.

    Returns what is missing of services that the fleet does not need. Raises ``StateNotRead``.
    """
    missing = []
    for service, restore in restorers.items():
        path = directory / f"{service}.json"
        if not path.exists():
            continue
        reason = "see the lines before"
        try:
            # It logs why it returns ``None``.
            if (state := load(service)) is not None:
                restore(state)
                continue
        except Exception as error:  # noqa: BLE001  (whatever the emulator's modules raise)
            reason = repr(error)
        problem = f"the saved state can't be read: {path}: {reason}"
        # What the emulator keeps for other services is empty, or can be missed.
        if service in SERVICES:
            raise StateNotRead(problem)
        missing.append(problem)
    return missing
