"""Slot process: where synchronous handlers run, so that they can be killed and can't starve the pipeline.

One process a slot, kept warm; trio-parallel starts it, talks to it and kills it. It leads a process group of its
own, so that what a handler started dies with it.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NoReturn, TypeVar

import trio
import trio_parallel

from cloudkon.errors import CloudKonError
from images.worker.context import Context
from images.worker.ending import Ending

T = TypeVar("T")
Handler = Callable[[str, Context], str | None]
"""A synchronous one."""
_GRACE_SECONDS = 1.0
"""For which an idle process may take to end by itself, so that what runs at its exit does."""


class SlotDied(CloudKonError):
    """The slot's process ended under the handler: a crash, or the system ran out of memory."""


class SlotProcess:
    """One slot's process; another one takes its place when it dies or is killed."""

    def __init__(self, context: trio_parallel.WorkerContext, limiter: trio.CapacityLimiter) -> None:
        """Made by ``open_slot_process``."""
        self._context = context
        self._limiter = limiter
        self._leader: int | None = None

    async def warm(self) -> None:
        """Start the process if there is none; takes about as long as starting Python."""
        if self._leader is not None and _has_ended(self._leader):
            # While it was idle: trio-parallel would start another one, whose group nobody would know.
            self.end_group()
        if self._leader is None:
            self._leader = await self._call(os.getpid)

    async def run(self, handler: Handler, arguments: str, context: Context) -> Ending:
        """Run a handler in it. Cancelling kills the process and all that it started.

        Raises ``SlotDied`` if the process did not live to say how it ended.
        """
        await self.warm()
        try:
            return await self._call(_handle, handler, arguments, context)
        except trio_parallel.BrokenWorkerError as error:
            process = error.args[-1]
            code = getattr(process, "exitcode", None)
            how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with exit code {code}"
            self.end_group()
            raise SlotDied(f"the handler's process ended {how} (a crash, or out of memory)") from None
        except trio.Cancelled:
            self.end_group()
            raise

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        # Typed here because trio-parallel's signature is lost behind the context.
        answer: T = await self._context.run_sync(function, *arguments, kill_on_cancel=True, limiter=self._limiter)
        return answer

    def end_group(self) -> None:
        """Kill the process, if it lives, and all that its handlers started and left."""
        leader, self._leader = self._leader, None
        if leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)


@asynccontextmanager
async def open_slot_process() -> AsyncIterator[SlotProcess]:
    """A slot process for as long as the slot lives."""
    opened = AsyncExitStack()
    context = await opened.enter_async_context(
        trio_parallel.open_worker_context(idle_timeout=float("inf"), init=_begin, grace_period=_GRACE_SECONDS)
    )
    process = SlotProcess(context, trio.CapacityLimiter(1))
    try:
        yield process
    finally:
        # A process that does not end by itself, for a thread that a handler left, is killed, and trio-parallel raises.
        with contextlib.suppress(trio_parallel.BrokenWorkerError):
            await opened.aclose()
        process.end_group()


def _has_ended(child: int) -> bool:
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        # Waited for already.
        return True


def _begin() -> bool:
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    return True


def _end_with_worker() -> None:
    """Should the worker be killed, nobody is left to read the answer: the work must not go on.

    Not by the kernel's death signal (prctl): it comes when the *thread* ends that started the process, and trio lets
    a thread go that was idle for ten seconds.
    """
    worker = multiprocessing.parent_process()
    assert worker is not None
    worker.join()
    os.killpg(0, signal.SIGKILL)


def _handle(handler: Handler, arguments: str, context: Context) -> Ending:
    """Run it here, in the slot process. Its exceptions stay here: not every one can be pickled, or read again."""
    here = os.getpid()
    try:
        ending = Ending.with_answer(handler(arguments, context))
    except BaseException as failure:  # noqa: BLE001  (``sys.exit`` too ends the attempt and no more)
        if os.getpid() != here:
            _end_copy(failure)
        ending = Ending.with_failure(failure)
    if os.getpid() != here:
        _end_copy(SystemExit(0))
    return ending


def _end_copy(failure: BaseException) -> NoReturn:
    """End a process that the handler forked and that came back here instead of ending.

    It would answer for itself on the same pipe, and every later task would get the answer of another one.
    """
    code = failure.code if isinstance(failure, SystemExit) else 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
