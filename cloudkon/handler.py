"""What a handler imports: ``Context``, its second argument, and the two errors that say "do not try again"."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from cloudkon.errors import InvalidInstruction, PermanentFailure
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings

__all__ = ["PROGRESS_FILE", "Context", "InvalidInstruction", "PermanentFailure"]

PROGRESS_FILE = "progress.json"


@dataclass(slots=True)
class Context:
    """Made anew in the slot process out of the same values; nothing of it is to be changed.

    It is not frozen, for that makes it five times as dear to make, and there is one for each task.

    ``token`` is the claim's: it goes into the key of everything the handler stores, so that a late loser can't
    overwrite the winner's object. ``attempt`` counts from 1, ``deadline`` is in epoch seconds.
    """

    task: TaskId
    attempt: int
    token: str
    deadline: float
    scratch_path: str
    settings: Settings
    _worker_log: Log
    """Whose lines name the worker only; ``log`` is the task's own."""
    made: list[str] = field(default_factory=list, repr=False)
    """Its directory, once that was made; in a slot process, only that process knows."""

    @property
    def log(self) -> Log:
        """A log whose lines name the task; made when it is asked for, which most handlers never do."""
        return self._worker_log.bind(run=self.run, task=str(self.task), attempt=self.attempt)

    @property
    def scratch(self) -> Path:
        """Where its directory is, or would be."""
        return Path(self.scratch_path)

    @property
    def run(self) -> str:
        """The run's id."""
        return self.task.run

    def scratch_directory(self) -> Path:
        """A directory of the task's own, made now if need be and removed when the attempt is over."""
        self.made.append(self.scratch_path)
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.scratch

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far it is, 0.0 to 1.0; the worker logs it three times a lease at the most."""
        path = self.scratch_directory() / PROGRESS_FILE
        staged = path.with_suffix(".new")
        said = {"run": self.run, "task": str(self.task), "attempt": self.attempt, "fraction": fraction, "note": note}
        staged.write_text(json.dumps(said))
        os.replace(staged, path)  # noqa: PTH105  (atomic: the reader sees the old or the new one)
