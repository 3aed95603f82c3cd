"""Logs from time to time the progress that running tasks report."""

import json
from pathlib import Path

import trio

from cloudkon.handler import PROGRESS_FILE
from cloudkon.log import Log


class ProgressWatch:
    """Reads the progress files that handlers write in their scratch directories, in whichever process they run."""

    def __init__(self, scratch: Path, log: Log) -> None:
        """``scratch`` is the parent of the tasks' directories."""
        self._scratch = scratch
        self._log = log
        self._logged: dict[Path, str] = {}

    async def run(self, every: float) -> None:
        """Log new progress every ``every`` seconds until cancelled."""
        while True:
            await trio.sleep(every)
            self.log_new()

    def log_new(self) -> None:
        """Log the progress that has changed since the last call."""
        current: dict[Path, str] = {}
        for path in self._scratch.glob(f"*/{PROGRESS_FILE}"):
            try:
                current[path] = path.read_text()
            except FileNotFoundError:
                # Its task ended meanwhile.
                continue
            if self._logged.get(path) != current[path]:
                self._log.info("progress", **json.loads(current[path]))
        self._logged = current
