"""Runs synchronous handlers in processes, so that they can be killed and can't starve the pipeline.

Each slot has one process for handlers, which is kept from task to task and set back after each, and one that guards it:
all that a handler started ends with it. A task costs one turn of the worker's event loop: a write, and a read when the
answer has come. A general library (trio-parallel) needed seven turns, which took a fiftieth of the slot's time with
10 ms tasks.
"""

import marshal
import math
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import FunctionType
from typing import Any, Final

import orjson
import trio

from cloudkon.errors import CloudKonError, PermanentFailure
from cloudkon.handler import Context
from cloudkon.log import Log, text_of
from cloudkon.settings import Settings

from .guarded_process import GuardedProcess
from .outcome import HandlerOutcome
from .slot_child import Handler, Job

START_SECONDS: Final = 60.0
"""How long a process may take to start: some tenths of a second on an idle machine, longer for a large main module."""
_GRACE_SECONDS: Final = 1.0
"""How long an idle process may take to end by itself, so that its exit handlers can run."""


class SlotDied(CloudKonError):
    """The slot's process ended while a handler ran: a crash, or the system ran out of memory."""


class SlotNotStarted(CloudKonError):
    """The slot's process can't be started now: too many processes, no memory, or a crash while it started.

    No handler has run.
    """


class SlotProcess:
    """One slot's process; a new one replaces it when it dies or is killed."""

    def __init__(self, nursery: trio.Nursery, settings: Settings, log: Log) -> None:
        """Use ``open_slot_process`` to make one."""
        self._nursery = nursery
        self._make = partial(GuardedProcess, settings, log)
        self._most_tasks = settings.tasks_per_process or math.inf
        self._log = log
        self._pickled: dict[Handler, bytes] = {}
        """Functions, which are always pickled to the same bytes."""
        self._child: GuardedProcess | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process runs, as far as is known without a look."""
        return self._child is not None

    async def warm(self) -> None:
        """Start the process if it doesn't run. Raises ``SlotNotStarted``."""
        if self._child and self._child.has_ended():
            # It died while it was idle.
            await self.end()
        if self._child:
            return
        try:
            child = self._make()
            await child.start()
        except (OSError, RuntimeError, MemoryError) as error:
            raise SlotNotStarted(text_of(error)) from None
        self._child = child
        self._nursery.start_soon(child.watch)
        try:
            with trio.fail_after(START_SECONDS):
                await self._answer(child, child.setup)
        except SlotDied:
            raise SlotNotStarted(f"it ended {child.how_it_ended} while it started; see the lines before") from None
        except trio.TooSlowError:
            raise SlotNotStarted(f"it was not ready after {START_SECONDS:g} s") from None

    async def run(self, handler: Handler, arguments: str, context: Context) -> HandlerOutcome:
        """Run a handler in the process; cancelling kills the process and everything that it started.

        Raises ``SlotDied`` if the process died before it sent the outcome, ``PermanentFailure`` for a handler that
        another process can't import, and ``SlotNotStarted``.
        """
        message = self._message(handler, arguments, context)
        await self.warm()
        answer = await self._ask(message)
        if isinstance(answer, str):
            # It has not run the job.
            await self._replace(answer)
            await self.warm()
            answer = await self._ask(message)
        *outcome, left = answer
        child = self._child
        assert child
        child.tasks += 1
        child.last_task = context.task
        if left:
            await self._replace(left)
        elif child.tasks >= self._most_tasks:
            await self.end(_GRACE_SECONDS)
        return HandlerOutcome(*outcome)

    def _message(self, handler: Handler, arguments: str, context: Context) -> bytes:
        pickled = self._pickled.get(handler) if isinstance(handler, FunctionType) else None
        if pickled is None:
            try:
                pickled = pickle.dumps(handler, pickle.HIGHEST_PROTOCOL)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise PermanentFailure(
                    f"another process can't find the handler; is it at a module's top? {error}"
                ) from None
            if isinstance(handler, FunctionType):
                self._pickled[handler] = pickled
        run, number = context.task
        job: Job = (
            pickled,
            arguments,
            run,
            number,
            context.attempt,
            context.token,
            context.deadline,
            context.scratch_path,
        )
        return marshal.dumps(job)

    async def _ask(self, message: bytes) -> Any:  # noqa: ANN401  (see ``slot_child``)
        assert self._child
        return orjson.loads(await self._answer(self._child, message))

    async def _replace(self, left: str) -> None:
        """End the process, because its last task has left something there for good."""
        assert self._child
        task = self._child.last_task
        self._log.info("slot-replaced", run=task and task.run, task=str(task), left=left)
        await self.end()

    async def _answer(self, child: GuardedProcess, message: bytes) -> bytes:
        try:
            await child.send(message)
            return await child.receive()
        except EOFError:
            await self.end()
            raise SlotDied(f"the handler's process ended {child.how_it_ended} (a crash, or out of memory)") from None
        except trio.Cancelled:
            await self.end()
            raise

    async def end(self, grace: float = 0.0) -> None:
        """End the process, if it runs, and the processes that its handlers left."""
        child, self._child = self._child, None
        if child:
            await child.end(grace)


@asynccontextmanager
async def open_slot_process(settings: Settings, log: Log) -> AsyncIterator[SlotProcess]:
    """Open a slot process for the block; handlers get these settings and this log in their context."""
    async with trio.open_nursery() as nursery:
        process = SlotProcess(nursery, settings, log)
        try:
            yield process
        finally:
            await process.end(_GRACE_SECONDS)
