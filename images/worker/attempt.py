"""Attempt: one try at one task, from the handler's start to its output or the reason why there is none."""

import inspect
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import trio

from cloudkon.errors import MalformedMessage
from cloudkon.instructions import parse
from cloudkon.log import Log
from cloudkon.ports import Clock
from cloudkon.settings import Settings
from cloudkon.words import Task
from images.worker.context import Context
from images.worker.ending import Ending
from images.worker.handlers import Handler
from images.worker.slot_process import SlotProcess

_Sync = Callable[[str, Context], str | None]
_Async = Callable[[str, Context], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; ``error`` is empty where it succeeded."""

    output: str
    error: str
    permanent: bool
    started: float
    seconds: float


class Attempts:
    """Runs handlers. Which ones there are is fixed when the worker starts."""

    def __init__(
        self, handlers: Mapping[str, Handler], settings: Settings, clock: Clock, log: Log, scratch: Path
    ) -> None:
        """``scratch`` is the directory under which tasks get theirs."""
        self._handlers = handlers
        self._asynchronous = {word: inspect.iscoroutinefunction(handler) for word, handler in handlers.items()}
        self._settings = settings
        self._clock = clock
        self._log = log
        self._scratch = scratch

    @property
    def needs_processes(self) -> bool:
        """Whether any handler is synchronous, apart from those that nobody may ever ask for."""
        return not all(self._asynchronous.values())

    def check(self, instruction: str) -> None:
        """Raise ``MalformedMessage`` for an instruction that no handler here takes."""
        word = parse(instruction).word
        if word not in self._handlers:
            raise MalformedMessage(f"no handler here takes {word!r:.40}; known: {', '.join(sorted(self._handlers))}")

    async def run(self, task: Task, token: str, number: int, process: SlotProcess | None) -> Outcome:
        """Make attempt ``number`` (from 1) at a task under the claim's ``token``. Cancelling kills the work.

        The caller cancels it when its time is up: one cancel scope a task is dear enough.
        """
        started = self._clock.wall()
        begun = trio.current_time()
        # A string, because making a ``Path`` takes as long as everything else here.
        scratch = f"{self._scratch}/{task.id.run}-{task.id.seq}-{token}"
        context = Context(
            task.id,
            number,
            token,
            started + self._settings.task_timeout_seconds,
            scratch,
            self._settings,
            self._log.bind(run=task.id.run, task=str(task.id), attempt=number),
        )
        try:
            ending = await self._try(task.instruction, context, process)
        finally:
            # Asking costs a microsecond, removing fifty: most tasks never make a directory.
            if os.path.exists(scratch):  # noqa: ASYNC240, PTH110  (one call of the kernel, and no ``Path``)
                shutil.rmtree(scratch, ignore_errors=True)
        return Outcome(*ending, started, trio.current_time() - begun)

    async def _try(self, instruction: str, context: Context, process: SlotProcess | None) -> Ending:
        """Call the handler. Whatever it raises fails its task only."""
        word, arguments = parse(instruction)
        try:
            return await self._call(word, arguments, context, process)
        except (Exception, SystemExit) as failure:  # noqa: BLE001  (as above)
            return Ending.with_failure(failure)
        except BaseExceptionGroup as failures:
            cancelled, _ = failures.split(trio.Cancelled)
            if cancelled is not None:
                # Whatever else a handler's nursery raised when it was told to stop, nobody asks for it any more.
                raise cancelled from None
            return Ending.with_failure(failures)

    async def _call(self, word: str, arguments: str, context: Context, process: SlotProcess | None) -> Ending:
        handler = self._handlers[word]
        if self._asynchronous[word]:
            return Ending.with_answer(await cast(_Async, handler)(arguments, context))
        assert process is not None
        return await process.run(cast(_Sync, handler), arguments, context)
