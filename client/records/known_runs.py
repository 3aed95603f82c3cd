"""Known runs: what this machine keeps of each run that it pushed, to push it again where the ledger has lost it."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cloudkon.model import PoolRange, Priority, Run
from cloudkon.wire.message import RUN_ID

KEPT_SECONDS = 28 * 86400
"""As long as the ledger keeps a run's results."""


@dataclass(frozen=True, slots=True)
class KnownRuns:
    """One small file a run, in ``directory``, under names that begin with ``prefix``."""

    directory: Path
    prefix: str

    def keep(self, run: Run) -> None:
        """Keep a run, and forget those whose results the ledger no longer has. Raises ``OSError``."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self._path(run.id)
        replace_text(path, json.dumps(asdict(run)) + "\n")
        oldest = time.time() - KEPT_SECONDS
        for other in self.directory.glob(f"{self.prefix}-*.json"):
            # Another process may forget the same one.
            with suppress(FileNotFoundError):
                if other.stat().st_mtime < oldest:
                    other.unlink()

    def find(self, run_id: str) -> Run | None:
        """The run of that id, or ``None`` where it was not pushed from here, or so long ago that it is forgotten."""
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
    """Write a file whole, or leave the one that is there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
