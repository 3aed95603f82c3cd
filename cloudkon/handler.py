"""Defines what a handler imports: ``Context``, its second argument, and the errors that mean "do not retry".

A handler is a function ``(arguments, context) -> output``, sync or async::

    from cloudkon import Context, PermanentFailure

    def shout(arguments: str, context: Context) -> str:
        if not arguments:
            raise PermanentFailure("there is nothing to shout")
        return arguments.upper()

``arguments`` is the instruction after its first word. The output is a string, or ``None`` for no output. An exception
fails the attempt; the worker retries the task up to ``max_attempts`` times in all. ``PermanentFailure`` and
``InvalidInstruction`` fail the task at once.
"""

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
"""In a task's scratch directory: the progress that its handler reported last."""


@dataclass(slots=True)
class Context:
    """What a handler knows about its task, and what it can do besides returning an output.

    The worker makes one for each attempt. Treat it as read-only: it is not frozen only because a frozen one takes five
    times as long to make. A sync handler gets a copy in its slot process.
    """

    task: TaskId
    """The task's id: ``task.run``, ``task.seq`` (from 0), and ``RUN/SEQ`` as ``str(task)``.

    It is the same in every attempt, so it makes a good idempotency key.
    """
    attempt: int
    """Which attempt this is, from 1."""
    token: str
    """The claim's owner token, which differs from that of any other worker that runs the same task.

    Put it into the name of each object that the handler stores, and return that name as the output. Then a worker that
    lost its claim can't overwrite the object that the recorded result names.
    """
    deadline: float
    """When the worker stops this attempt, in epoch seconds: a sync handler is killed, an async one is cancelled."""
    scratch_path: str
    """The same as ``scratch``, as a string."""
    settings: Settings
    """The worker's settings."""
    _worker_log: Log
    """The worker's own log; ``log`` adds the task to it."""
    made: list[str] = field(default_factory=list, repr=False)
    """The scratch directory once it exists, for the worker's clean-up. In a slot process, only that process sees it."""

    @property
    def log(self) -> Log:
        """A log whose lines name the run, the task and the attempt: ``context.log.info("fetched", bytes=1024)``.

        Lines go to the worker's log, as JSON. Each access makes a new log, so keep it in a variable inside a loop.
        """
        return self._worker_log.bind(run=self.run, task=str(self.task), attempt=self.attempt)

    @property
    def scratch(self) -> Path:
        """The path of the scratch directory, which may not exist yet. Call ``scratch_directory`` to have it made."""
        return Path(self.scratch_path)

    @property
    def run(self) -> str:
        """The run's id."""
        return self.task.run

    def scratch_directory(self) -> Path:
        """Return a directory for this attempt alone, and make it if need be.

        Call it before the first write. The worker removes the directory and its contents when the attempt ends, however
        it ends; a later attempt starts with an empty one. Raises ``OSError`` if the disk refuses it.
        """
        self.made.append(self.scratch_path)
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.scratch

    def progress(self, fraction: float, note: str = "") -> None:
        """Report that ``fraction`` of the work is done, from 0.0 to 1.0; ``note`` is a few words for people.

        Call it as often as you like, for example after each file: a call writes one small file in the scratch
        directory, and the worker logs the newest report at most three times per lease. Raises ``OSError`` if the disk
        refuses it.
        """
        path = self.scratch_directory() / PROGRESS_FILE
        staged = path.with_suffix(".new")
        report = {"run": self.run, "task": str(self.task), "attempt": self.attempt, "fraction": fraction, "note": note}
        staged.write_text(json.dumps(report))
        os.replace(staged, path)  # noqa: PTH105  (atomic: a reader sees the old report or the new one)
