"""Slot process: where synchronous handlers run, so that they can be killed and can't starve the pipeline.

One process a slot, kept warm. It leads a process group of its own, so that what a handler started dies with it. A
task's way there and back is one turn of the worker's loop: a write, and a read when the answer has come. By a library
for all purposes (trio-parallel) it was seven turns, which with 10 ms tasks was a fiftieth of the slot's time.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.context import SpawnProcess
from typing import Final

import orjson
import trio

from cloudkon.errors import CloudKonError, PermanentFailure
from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.settings import Settings

from .outcome import HandlerOutcome
from .slot_child import Handler, Job, serve

_SPAWN: Final = multiprocessing.get_context("spawn")
_HEADER: Final = struct.Struct("!i")
"""A message's length, below 2 GiB, as ``multiprocessing.connection`` writes and reads it at the other end."""
_PIECE: Final = 65_536
_GRACE_SECONDS: Final = 1.0
"""For which an idle process may take to end by itself, so that what runs at its exit does."""
_LOOK_SECONDS: Final = 0.1
"""How often it is looked whether a process has ended, where the kernel doesn't tell."""


class SlotDied(CloudKonError):
    """The slot's process ended under the handler: a crash, or the system ran out of memory."""


class _Child:
    """A process that was started, and our end of the pipe to it."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        os.set_blocking(self._pipe.fileno(), False)
        self._theirs = theirs
        # No daemon of multiprocessing's: those may not start processes by it. ``end`` sees to it that none is left.
        self._process: SpawnProcess = _SPAWN.Process(target=serve, args=(theirs, settings, log))
        self._gone = trio.Event()

    @property
    def exit_code(self) -> int | None:
        """How it ended, by multiprocessing's count: less than 0 by that signal."""
        return self._process.exitcode

    async def start(self) -> None:
        """Takes about as long as starting Python, of which this is the lesser part."""
        try:
            await trio.to_thread.run_sync(self._process.start)
        finally:
            self._theirs.close()

    async def watch(self) -> None:
        """Note its end, and wake who waits for its answer. Ends with it and no sooner.

        The pipe may stay open: whatever the handler forked has it too, and the one by which multiprocessing would tell.
        """
        with trio.CancelScope(shield=True):
            try:
                exits = os.pidfd_open(self._pid)
            except (AttributeError, OSError):
                # Only Linux has that, from 5.3 on.
                while not self.has_ended():  # noqa: ASYNC110  (the kernel's events are not trio's)
                    await trio.sleep(_LOOK_SECONDS)
            else:
                await trio.lowlevel.wait_readable(exits)
                os.close(exits)
            self._gone.set()
            if not self._pipe.closed:
                trio.lowlevel.notify_closing(self._pipe.fileno())

    def has_ended(self) -> bool:
        """Whether it has, be it just now."""
        try:
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            # Waited for already.
            return True

    async def send(self, message: bytes) -> None:
        """Raises ``EOFError`` if it has died."""
        with memoryview(_HEADER.pack(len(message)) + message) as view:
            sent = 0
            while sent < len(view):
                try:
                    sent += os.write(self._pipe.fileno(), view[sent:])
                except BlockingIOError:
                    with contextlib.suppress(trio.ClosedResourceError):
                        await trio.lowlevel.wait_writable(self._pipe.fileno())
                    if self._gone.is_set():
                        raise EOFError from None
                except ConnectionError:
                    raise EOFError from None

    async def receive(self) -> bytes:
        """The next message. Raises ``EOFError`` if it died before it had sent all of it."""
        found = bytearray()
        while True:
            # What it had sent before it died is there still.
            if not self._gone.is_set():
                with contextlib.suppress(trio.ClosedResourceError):
                    await trio.lowlevel.wait_readable(self._pipe.fileno())
            try:
                piece = os.read(self._pipe.fileno(), _PIECE)
            except BlockingIOError:
                if self._gone.is_set():
                    raise EOFError from None
                continue
            except ConnectionError:
                raise EOFError from None
            if not piece:
                raise EOFError
            found += piece
            if len(found) >= _HEADER.size and len(found) == _HEADER.size + _HEADER.unpack_from(found)[0]:
                return bytes(found[_HEADER.size :])

    async def end(self, grace: float = 0.0) -> None:
        """Let it end by itself for so many seconds; then kill it, and all that its handlers started and left."""
        with trio.CancelScope(shield=True):
            if grace:
                self._pipe.close()
                with trio.move_on_after(grace):
                    await self._gone.wait()
            # The group first: once it has been waited for, its number may be another's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            self._process.kill()
            await self._gone.wait()
            self._process.join()
            self._pipe.close()

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid


class SlotProcess:
    """One slot's process; another one takes its place when it dies or is killed."""

    def __init__(self, nursery: trio.Nursery, settings: Settings, log: Log) -> None:
        """Made by ``open_slot_process``."""
        self._nursery = nursery
        self._make = partial(_Child, settings, log)
        self._child: _Child | None = None

    async def warm(self) -> None:
        """Start the process if there is none. Raises ``SlotDied`` where it does not come up."""
        if self._child and self._child.has_ended():
            # While it was idle.
            await self.end()
        if self._child:
            return
        child = self._make()
        await child.start()
        self._child = child
        self._nursery.start_soon(child.watch)
        await self._answer(child)

    async def run(self, handler: Handler, arguments: str, context: Context) -> HandlerOutcome:
        """Run a handler in it. Cancelling kills the process and all that it started.

        Raises ``SlotDied`` if the process did not live to say how it ended, ``PermanentFailure`` for a handler that
        only this process has.
        """
        job: Job = (
            handler,
            arguments,
            context.task,
            context.attempt,
            context.token,
            context.deadline,
            context.scratch_path,
        )
        try:
            message = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise PermanentFailure(
                f"another process can't find the handler; is it at a module's top? {error}"
            ) from None
        await self.warm()
        assert self._child
        return HandlerOutcome(*orjson.loads(await self._answer(self._child, message)))

    async def _answer(self, child: _Child, message: bytes = b"") -> bytes:
        try:
            if message:
                await child.send(message)
            return await child.receive()
        except EOFError:
            await self.end()
            code = child.exit_code
            how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with exit code {code}"
            raise SlotDied(f"the handler's process ended {how} (a crash, or out of memory)") from None
        except trio.Cancelled:
            await self.end()
            raise

    async def end(self, grace: float = 0.0) -> None:
        """End the process, if there is one, and whatever its handlers left."""
        child, self._child = self._child, None
        if child:
            await child.end(grace)


@asynccontextmanager
async def open_slot_process(settings: Settings, log: Log) -> AsyncIterator[SlotProcess]:
    """A slot process for as long as the slot lives; handlers' contexts have these settings, and lines for this log."""
    async with trio.open_nursery() as nursery:
        process = SlotProcess(nursery, settings, log)
        try:
            yield process
        finally:
            await process.end(_GRACE_SECONDS)
