"""Logs from time to time the progress that running tasks report."""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import trio

from cloudkon.handler import PROGRESS_FILE
from cloudkon.log import Log
from cloudkon.settings import MOST_ATTEMPTS

_MOST_BYTES: Final = 4096
_FACTS: Final[dict[str, type | tuple[type, ...]]] = {
    "run": str,
    "task": str,
    "attempt": int,
    "fraction": (int, float),
    "note": str,
}
"""What a report says. A task may have written anything else into its file."""


class ProgressWatch:
    """Reads the progress files that handlers write in their scratch directories, in whichever process they run."""

    def __init__(self, scratch: Path, log: Log) -> None:
        """``scratch`` is the parent of the tasks' directories."""
        self._scratch = str(scratch)
        self._log = log
        self._logged: dict[str, dict[str, Any]] = {}

    async def run(self, every: float) -> None:
        """Log new progress every ``every`` seconds until cancelled."""
        while True:
            await trio.sleep(every)
            self.log_new()

    def log_new(self) -> None:
        """Log the progress that has changed since the last call."""
        current: dict[str, dict[str, Any]] = {}
        with suppress(OSError), os.scandir(self._scratch) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and (report := _read(entry.path)):
                    current[entry.name] = report
        for name, report in current.items():
            if self._logged.get(name) != report:
                self._log.info("progress", **report)
        self._logged = current


def _read(directory: str) -> dict[str, Any] | None:
    """Return the report in a task's directory; ``None`` if there is none, or something else by its name."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            # Neither a link nor a pipe: to open one that nobody writes to would block this worker.
            file = os.open(PROGRESS_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            data = os.read(file, _MOST_BYTES)
        finally:
            os.close(file)
        return _checked(json.loads(data))
    except (OSError, ValueError, RecursionError):
        return None


def _checked(report: object) -> dict[str, Any] | None:
    if not isinstance(report, dict):
        return None
    if not all(isinstance(report.get(name), kind) for name, kind in _FACTS.items()):
        return None
    return {name: report[name] for name in _FACTS} if _is_in_bounds(report) else None


def _is_in_bounds(report: dict[str, Any]) -> bool:
    # A JSON number has any number of digits, and ``nan`` is in no bounds.
    return bool(0 <= report["fraction"] <= 1 and 0 <= report["attempt"] <= MOST_ATTEMPTS)
