"""Attempt: one try at one task, from the handler's start to its output or the reason why there is none."""

import inspect
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple, cast

import trio

from cloudkon.errors import MalformedMessage
from cloudkon.handler import Context
from cloudkon.instructions import parse
from cloudkon.log import Log
from cloudkon.model import Task
from cloudkon.ports import Clock
from cloudkon.settings import Settings

from ..handlers import Handler
from .outcome import HandlerOutcome
from .slot_process import SlotProcess

_Sync = Callable[[str, Context], str | None]
_Async = Callable[[str, Context], Awaitable[str | None]]


class AttemptResult(NamedTuple):
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
        # A string, because making a ``Path`` for each task takes as long as everything else about it.
        self._scratch = str(scratch)

    @property
    def needs_processes(self) -> bool:
        """Whether any handler is synchronous, apart from those that nobody may ever ask for."""
        return not all(self._asynchronous.values())

    def check(self, word: str) -> None:
        """Raise ``MalformedMessage`` for an instruction's first word that no handler here takes."""
        if word not in self._handlers:
            raise MalformedMessage(f"no handler here takes {word!r:.40}; known: {', '.join(sorted(self._handlers))}")

    async def run(
        self, task: Task, token: str, number: int, process: SlotProcess | None, begun: float
    ) -> AttemptResult:
        """Make attempt ``number`` (from 1) at a task under the claim's ``token``. Cancelling kills the work.

        It begins at trio's time ``begun``, which is now. The caller cancels it when its time is up: one cancel scope
        a task is dear enough.
        """
        started = self._clock.wall()
        scratch = f"{self._scratch}/{task.id.run}-{task.id.seq}-{token}"
        context = Context(
            task.id,
            number,
            token,
            started + self._settings.task_timeout_seconds,
            scratch,
            self._settings,
            self._log,
        )
        try:
            ending = await self._call(task.instruction, context, process)
        except (Exception, SystemExit) as failure:  # noqa: BLE001  (whatever a handler raises fails its task only)
            ending = HandlerOutcome.with_failure(failure)
        except BaseExceptionGroup as failures:
            cancelled, _ = failures.split(trio.Cancelled)
            if cancelled is not None:
                # Whatever else a handler's nursery raised when it was told to stop, nobody asks for it any more.
                raise cancelled from None
            ending = HandlerOutcome.with_failure(failures)
        finally:
            # Most tasks never make a directory, and asking the kernel costs as much as the rest of an empty task.
            if context.made or (process is not None and os.path.exists(scratch)):  # noqa: ASYNC240, PTH110  (no ``Path``)
                shutil.rmtree(scratch, ignore_errors=True)
        return AttemptResult(*ending, started, trio.current_time() - begun)

    async def _call(self, instruction: str, context: Context, process: SlotProcess | None) -> HandlerOutcome:
        word, arguments = parse(instruction)
        handler = self._handlers[word]
        if self._asynchronous[word]:
            return HandlerOutcome.with_answer(await cast(_Async, handler)(arguments, context))
        assert process is not None
        return await process.run(cast(_Sync, handler), arguments, context)
