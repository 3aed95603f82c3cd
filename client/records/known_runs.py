"""Keeps the facts of each run that this machine pushed, to push it again if the ledger has lost it."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cloudkon.model import PoolRange, Priority, Run
from cloudkon.wire.fields import RUN_ID

KEPT_SECONDS = 28 * 86400
"""The ledger keeps a run's results equally long."""


@dataclass(frozen=True, slots=True)
class KnownRuns:
    """One small file per run in ``directory``, with names that begin with ``prefix``."""

    directory: Path
    prefix: str

    def keep(self, run: Run) -> None:
        """Keep a run, and delete runs whose results the ledger no longer has. Raises ``OSError``."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self._path(run.id)
        replace_text(path, json.dumps(asdict(run)) + "\n")
        oldest = time.time() - KEPT_SECONDS
        for other in self.directory.glob(f"{self.prefix}-*.json"):
            # Another process may delete the same file.
            with suppress(FileNotFoundError):
                if other.stat().st_mtime < oldest:
                    other.unlink()

    def find(self, run_id: str) -> Run | None:
        """Return the run with that id, or ``None`` if this machine did not push it or no longer keeps it."""
        if not RUN_ID.fullmatch(run_id):
            return None
        try:
            facts = dict(json.loads(self._path(run_id).read_text()))
            ranges = tuple(PoolRange(**part) for part in facts.pop("ranges"))
            priority = Priority(facts.pop("priority", Priority.NORMAL))
            return Run(ranges=ranges, priority=priority, **facts)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def _path(self, run_id: str) -> Path:
        return self.directory / f"{self.prefix}-{run_id}.json"


def replace_text(path: Path, text: str) -> None:
    """Write a file completely, or leave the existing one unchanged."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
