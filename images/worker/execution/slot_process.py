"""Runs synchronous handlers in processes, so that they can be killed and can't starve the pipeline.

Each slot has one process for handlers, which is kept from task to task and set back after each, and one that guards it:
all that a handler started ends with it. A task costs one turn of the worker's event loop: a write, and a read when the
answer has come. A general library (trio-parallel) needed seven turns, which took a fiftieth of the slot's time with
10 ms tasks.
"""

import contextlib
import marshal
import math
import os
import pickle
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import Pipe
from types import FunctionType
from typing import Any, Final

import orjson
import trio

from cloudkon.errors import CloudKonError, PermanentFailure
from cloudkon.handler import Context
from cloudkon.log import Log, text_of
from cloudkon.model import TaskId
from cloudkon.process_tree import kill_tree, start_ticks
from cloudkon.settings import Settings
from cloudkon.signal_names import signal_name

from ..processes.guard import KILL_SECONDS
from ..processes.interpreter import start_interpreter
from .outcome import HandlerOutcome
from .slot_child import HEADER, READ_BYTES, Handler, Job, main, preparation

START_SECONDS: Final = 60.0
"""How long a process may take to start: some tenths of a second on an idle machine, longer for a large main module."""
_GRACE_SECONDS: Final = 1.0
"""How long an idle process may take to end by itself, so that its exit handlers can run."""
_CHECK_SECONDS: Final = 0.1
"""Time between two checks whether a process has ended, where the kernel can't report it."""


class SlotDied(CloudKonError):
    """The slot's process ended while a handler ran: a crash, or the system ran out of memory."""


class SlotNotStarted(CloudKonError):
    """The slot's process can't be started now: too many processes, no memory, or a crash while it started.

    No handler has run.
    """


class _Child:
    """One guarded process, and the worker's ends of the pipes to it."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._pipe, self._theirs = Pipe()
        os.set_blocking(self._pipe.fileno(), False)
        self.setup = pickle.dumps((preparation(), pickle.dumps((settings, log))), pickle.HIGHEST_PROTOCOL)
        """What makes the process like the worker; it is ready when it has received that."""
        self.tasks = 0
        """How many tasks it has run."""
        self.last_task: TaskId | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = trio.Event()

    @property
    def exit_code(self) -> int | None:
        """Its exit code; if it is negative, the number of the signal that ended it."""
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        """Start the process. It is ready some tenths of a second later, when it has answered ``setup``.

        Raises ``OSError``, or ``RuntimeError`` or ``MemoryError`` if there can be no further thread or object.
        """
        with contextlib.ExitStack() as given, contextlib.ExitStack() as kept:
            given.callback(self._theirs.close)
            kept.callback(self._pipe.close)
            guarded, self._control = os.pipe()
            given.callback(os.close, guarded)
            kept.callback(os.close, self._control)
            pipes = (self._theirs.fileno(), guarded)
            self._process = await trio.to_thread.run_sync(start_interpreter, main, pipes)
            kept.pop_all()

    async def watch(self) -> None:
        """Wait until the process ends, then wake the task that waits for its answer.

        The pipe can't show the end: processes that the handler forked keep it open, and multiprocessing's own pipe too.
        """
        with trio.CancelScope(shield=True):
            try:
                exits = os.pidfd_open(self._pid)
            except (AttributeError, OSError):
                # Only Linux has it, since 5.3.
                while not self.has_ended():  # noqa: ASYNC110  (there is no event to wait for)
                    await trio.sleep(_CHECK_SECONDS)
            else:
                await trio.lowlevel.wait_readable(exits)
                os.close(exits)
            self._ended.set()
            if not self._pipe.closed:
                trio.lowlevel.notify_closing(self._pipe.fileno())

    def has_ended(self) -> bool:
        """Return whether the process has ended, without reaping it."""
        try:
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            # It was reaped before.
            return True

    async def send(self, message: bytes) -> None:
        """Send a message. Raises ``EOFError`` if the process has died."""
        with memoryview(HEADER.pack(len(message)) + message) as view:
            sent = 0
            while sent < len(view):
                try:
                    sent += os.write(self._pipe.fileno(), view[sent:])
                except BlockingIOError:
                    with contextlib.suppress(trio.ClosedResourceError):
                        await trio.lowlevel.wait_writable(self._pipe.fileno())
                    if self._ended.is_set():
                        raise EOFError from None
                except ConnectionError:
                    raise EOFError from None

    async def receive(self) -> bytes:
        """Return the next message. Raises ``EOFError`` if the process died before it had sent all of it."""
        received = bytearray()
        while True:
            # If it has died, what it sent before is still in the pipe.
            if not self._ended.is_set():
                with contextlib.suppress(trio.ClosedResourceError):
                    await trio.lowlevel.wait_readable(self._pipe.fileno())
            try:
                piece = os.read(self._pipe.fileno(), READ_BYTES)
            except BlockingIOError:
                if self._ended.is_set():
                    raise EOFError from None
                continue
            except ConnectionError:
                raise EOFError from None
            if not piece:
                raise EOFError
            received += piece
            if len(received) >= HEADER.size and len(received) == HEADER.size + HEADER.unpack_from(received)[0]:
                return bytes(received[HEADER.size :])

    async def end(self, grace: float = 0.0) -> None:
        """Let the process end within ``grace`` seconds; then have it killed, with all that its handlers started."""
        assert self._process
        with trio.CancelScope(shield=True):
            if grace:
                self._pipe.close()
                with trio.move_on_after(grace):
                    await self._ended.wait()
            # A handler may have stopped the guard.
            self._process.send_signal(signal.SIGCONT)
            os.close(self._control)
            with trio.move_on_after(KILL_SECONDS):
                await self._ended.wait()
            if not self._ended.is_set():
                # What it started stops the guard again and again.
                await trio.to_thread.run_sync(kill_tree, self._pid, start_ticks(self._pid))
                await self._ended.wait()
            self._process.wait()
            self._pipe.close()

    @property
    def _pid(self) -> int:
        assert self._process
        return self._process.pid


class SlotProcess:
    """One slot's process; a new one replaces it when it dies or is killed."""

    def __init__(self, nursery: trio.Nursery, settings: Settings, log: Log) -> None:
        """Use ``open_slot_process`` to make one."""
        self._nursery = nursery
        self._make = partial(_Child, settings, log)
        self._most_tasks = settings.tasks_per_process or math.inf
        self._log = log
        self._pickled: dict[Handler, bytes] = {}
        """Functions, which are always pickled to the same bytes."""
        self._child: _Child | None = None

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
            raise SlotNotStarted(f"it ended {_end_of(child)} while it started; see the lines before") from None
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

    async def _answer(self, child: _Child, message: bytes) -> bytes:
        try:
            await child.send(message)
            return await child.receive()
        except EOFError:
            await self.end()
            raise SlotDied(f"the handler's process ended {_end_of(child)} (a crash, or out of memory)") from None
        except trio.Cancelled:
            await self.end()
            raise

    async def end(self, grace: float = 0.0) -> None:
        """End the process, if it runs, and the processes that its handlers left."""
        child, self._child = self._child, None
        if child:
            await child.end(grace)


def _end_of(child: _Child) -> str:
    code = child.exit_code
    return f"by {signal_name(-code)}" if code and code < 0 else f"with exit code {code}"


@asynccontextmanager
async def open_slot_process(settings: Settings, log: Log) -> AsyncIterator[SlotProcess]:
    """Open a slot process for the block; handlers get these settings and this log in their context."""
    async with trio.open_nursery() as nursery:
        process = SlotProcess(nursery, settings, log)
        try:
            yield process
        finally:
            await process.end(_GRACE_SECONDS)
