"""Makes one attempt at a task: runs its handler and returns the output, or the error."""

import inspect
import math
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, cast

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
from .scratch_removal import remove_small, remove_tree
from .slot_process import SlotNotStarted, SlotProcess

_REMOVAL_SECONDS: Final = 10.0
_Sync = Callable[[str, Context], str | None]
_Async = Callable[[str, Context], Awaitable[str | None]]


class AttemptResult(NamedTuple):
    """The result of an attempt; ``error`` is empty if it succeeded."""

    output: str
    error: str
    permanent: bool
    started: float
    seconds: float


class Attempts:
    """Runs the handlers that the worker found when it started."""

    def __init__(
        self, handlers: Mapping[str, Handler], settings: Settings, clock: Clock, log: Log, scratch: Path
    ) -> None:
        """``scratch`` is the parent of the tasks' directories."""
        self._handlers = handlers
        self._asynchronous = {word: inspect.iscoroutinefunction(handler) for word, handler in handlers.items()}
        self._settings = settings
        self._clock = clock
        self._log = log
        # A string, because to make a ``Path`` for each task takes as long as all the rest of an empty task.
        self._scratch = str(scratch)

    @property
    def needs_processes(self) -> bool:
        """Whether any handler is synchronous, whether or not a task will ever use it."""
        return not all(self._asynchronous.values())

    def check(self, word: str) -> None:
        """Raise ``MalformedMessage`` for an instruction's first word that has no handler here."""
        if word not in self._handlers:
            raise MalformedMessage(f"no handler here takes {word!r:.40}; known: {', '.join(sorted(self._handlers))}")

    async def run(
        self, task: Task, token: str, number: int, process: SlotProcess | None, begun: float
    ) -> AttemptResult:
        """Make attempt ``number`` (from 1) at a task under the claim's ``token``; cancelling stops the handler.

        Raises ``SlotNotStarted`` if there was no attempt.
        ``begun`` is trio's current time. The caller enforces the time-out: a cancel scope for each task would be
        expensive.
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
            outcome = await self._call(task.instruction, context, process)
        except SlotNotStarted:
            raise
        except BaseException as failure:  # noqa: BLE001  (whatever a handler raises only fails its task)
            cancelled = _cancelled_in(failure)
            if cancelled and trio.current_effective_deadline() == -math.inf:
                # We stopped the handler; other errors that its nursery raised on the way no longer matter.
                raise cancelled from None
            outcome = HandlerOutcome.with_failure(failure)
        finally:
            # Most tasks never make a directory, and to ask the kernel costs as much as the rest of an empty task.
            if context.made or (process is not None and os.path.exists(scratch)):  # noqa: ASYNC240, PTH110  (no ``Path``)
                await self._remove(scratch)
        return AttemptResult(*outcome, started, trio.current_time() - begun)

    async def _remove(self, scratch: str) -> None:
        if remove_small(scratch):
            return
        # In a thread, and not for ever: what is left then goes when the worker ends.
        with trio.move_on_after(_REMOVAL_SECONDS, shield=True):
            if await trio.to_thread.run_sync(remove_tree, scratch, abandon_on_cancel=True):
                return
        self._log.warning("scratch-left", directory=scratch)

    async def _call(self, instruction: str, context: Context, process: SlotProcess | None) -> HandlerOutcome:
        word, arguments = parse(instruction)
        handler = self._handlers[word]
        if self._asynchronous[word]:
            return HandlerOutcome.with_answer(await cast(_Async, handler)(arguments, context))
        assert process is not None
        return await process.run(cast(_Sync, handler), arguments, context)


def _cancelled_in(failure: BaseException) -> BaseException | None:
    if isinstance(failure, BaseExceptionGroup):
        return failure.split(trio.Cancelled)[0]
    return failure if isinstance(failure, trio.Cancelled) else None
