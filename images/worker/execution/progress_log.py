"""Progress: how far the running tasks say that they are, logged now and then."""

import json
from pathlib import Path

import trio

from cloudkon.handler import PROGRESS_FILE
from cloudkon.log import Log


class ProgressWatch:
    """Reads what handlers leave in their scratch directories, in whichever process they run."""

    def __init__(self, scratch: Path, log: Log) -> None:
        """Watch the tasks whose directories are under ``scratch``."""
        self._scratch = scratch
        self._log = log
        self._said: dict[Path, str] = {}

    async def run(self, every: float) -> None:
        """Log what is new, each so many seconds, until cancelled."""
        while True:
            await trio.sleep(every)
            self.look()

    def look(self) -> None:
        """Log what is new since the last look."""
        found: dict[Path, str] = {}
        for path in self._scratch.glob(f"*/{PROGRESS_FILE}"):
            try:
                found[path] = path.read_text()
            except FileNotFoundError:
                # Its task has ended in between.
                continue
            if self._said.get(path) != found[path]:
                self._log.info("progress", **json.loads(found[path]))
        self._said = found
