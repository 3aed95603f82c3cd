"""A slot's process for handlers, with the one that guards it, and the worker's ends of the pipes to them."""

import contextlib
import os
import pickle
import signal
import subprocess
from multiprocessing import Pipe
from typing import Final

import trio

from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.process_tree import kill_tree, start_ticks
from cloudkon.settings import Settings
from cloudkon.signal_names import signal_name

from ..processes.guard import KILL_SECONDS
from ..processes.interpreter import start_interpreter
from .slot_child import HEADER, READ_BYTES, main, preparation

_CHECK_SECONDS: Final = 0.1
"""Time between two checks whether a process has ended, where the kernel can't report it."""


class GuardedProcess:
    """One guarded process, and the worker's ends of the pipes to it."""

    def __init__(self, settings: Settings, log: Log) -> None:
        """Handlers get these settings and this log in their context."""
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
    def how_it_ended(self) -> str:
        """For a sentence: ``with exit code 1``, or ``by SIGKILL``."""
        code = self._process.returncode if self._process else None
        return f"by {signal_name(-code)}" if code and code < 0 else f"with exit code {code}"

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
