"""Runs in a slot's processes: one job after the other. It imports what handlers need, and not trio.

A slot has two processes. The first guards the second: it ends all that handlers started, whichever sessions they went
into, when the second process or the worker ends. The second one runs the handlers.

Only the worker sends pickled values, because handlers are Python objects. Answers are JSON, so that the worker never
unpickles anything that a handler wrote. An answer is an outcome and a word for what the task left running that can't be
ended; or only a word for what the task before has changed for good, if this process therefore has not run the job.
"""

import contextlib
import marshal
import multiprocessing
import multiprocessing.spawn
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, NoReturn

import orjson

from cloudkon.handler import Context
from cloudkon.kernel import adopt_orphans, die_with_parent, make_undumpable
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.process_tree import die_by
from cloudkon.settings import Settings

from ..processes.guard import guard, wake_on_child
from .outcome import HandlerOutcome
from .process_state import ProcessState
from .saved_descriptors import open_own_outputs

HEADER: Final = struct.Struct("!I")
"""A message's length, in front of the message. There is one message under way at a time, to and fro."""
READ_BYTES: Final = 65_536
Handler = Callable[[str, Context], str | None]
"""A synchronous one."""
Job = tuple[bytes, str, str, int, int, str, float, str]
"""A pickled handler, its arguments, and the part of its context that differs by task: run, number, attempt, token,
deadline and scratch path. It comes as ``marshal`` writes it, in a fifth of the time that ``pickle`` takes."""
Preparation = tuple[dict[str, str], dict[str, Any]]
"""The worker's environment, and what ``multiprocessing`` prepares a process with: import path, arguments, main module.

The program that called the worker can have handlers in its main module."""


def preparation() -> Preparation:
    """Return what a slot's process needs to import the handlers of this one."""
    data = multiprocessing.spawn.get_preparation_data("slot")
    # Its own type refuses to be pickled outside of ``multiprocessing``.
    return dict(os.environ), {**data, "authkey": bytes(data["authkey"])}


def main(pipe: int, control: int) -> None:
    """Start and guard the process that runs the jobs of ``pipe``, until it ends or the other end of ``control`` closes.

    Then end as it ended.
    """
    # First: a process that refuses inspection can't open its own files by their names.
    open_own_outputs()
    make_undumpable()
    adopt_orphans()
    for descriptor in (pipe, control):
        os.set_inheritable(descriptor, False)  # noqa: FBT003  (it takes no keyword)
    # Ctrl-C reaches all processes of a terminal; the worker decides what happens to this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(pipe)
        status, _ = guard(child, wake_on_child(), control)
        _end_like(status)
    os.close(control)
    die_with_parent()
    # What a handler's own children leave comes back to this process, so that it knows.
    adopt_orphans()
    os.setpgid(0, 0)
    if os.getppid() == parent:
        serve(pipe)


def _end_like(status: int) -> NoReturn:
    """End with the exit code, or by the signal, of a wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        die_by(-code)
    os._exit(code if code >= 0 else 1)


def serve(pipe: int) -> None:
    """Report that the process is ready; then run each job and send its answer, until the worker closes the pipe."""
    # The worker closes the pipe between jobs, or has died while an answer was under way.
    with contextlib.suppress(EOFError, ConnectionError):
        jobs = Jobs(*_prepare(_receive(pipe)))
        _send(pipe, b"ready")
        while True:
            _send(pipe, orjson.dumps(jobs.answer(_receive(pipe))))
            # Now, not before: the worker already does what follows.
            jobs.restore()


def _receive(pipe: int) -> bytes:
    """Return the next message. Raises ``EOFError`` if the worker has closed the pipe."""
    data = bytearray()
    while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
        piece = os.read(pipe, READ_BYTES)
        if not piece:
            raise EOFError
        data += piece
    return bytes(memoryview(data)[HEADER.size :])


def _send(pipe: int, message: bytes) -> None:
    data = HEADER.pack(len(message)) + message
    while data:
        data = data[os.write(pipe, data) :]


def _prepare(setup: bytes) -> tuple[Settings, Log]:
    """Make this process like the worker, and return the settings and the log that handlers get."""
    received: tuple[Preparation, bytes] = pickle.loads(setup)  # noqa: S301  (see above)
    (environment, data), handed = received
    os.environ.clear()
    os.environ.update(environment)
    # A main module that starts a worker when it is imported would start one here too, and so on without end.
    # ``multiprocessing`` refuses to prepare a process for as long as its current one has this mark.
    process = multiprocessing.current_process()
    vars(process)["_inheriting"] = True
    try:
        multiprocessing.spawn.prepare(data)
    finally:
        del vars(process)["_inheriting"]
    for stream in (sys.stdout, sys.stderr):
        # What a handler printed must not be lost when its process is killed.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # of any type in typeshed
    # These can be read only now, with the worker's import path.
    settings, log = pickle.loads(handed)  # noqa: S301  (see above)
    return settings, log


class Jobs:
    """Runs jobs, and sets the process back after each."""

    def __init__(self, settings: Settings, log: Log) -> None:
        """Handlers get these settings and this log in their context."""
        self._settings = settings
        self._log = log
        self._handlers: dict[bytes, Handler] = {}
        self._state = ProcessState()
        self._left = ""

    def answer(self, message: bytes) -> str | list[str | bool]:
        """Run a job and return the answer."""
        return self._left or [*self._outcome(message), self._state.end_leftovers()]

    def restore(self) -> None:
        """Set the process back, or let it refuse all further jobs."""
        self._left = self._left or self._state.restore()

    def _outcome(self, message: bytes) -> HandlerOutcome:
        """Run a handler. Its exceptions stay in this process: some can't be pickled, or not be unpickled."""
        here = os.getpid()
        try:
            job: Job = marshal.loads(message)  # noqa: S302  (the worker wrote it, to a pipe that no other process has)
            pickled, arguments, run, number, attempt, token, deadline, scratch = job
            handler = self._handlers.get(pickled) or self._load(pickled)
            context = Context(TaskId(run, number), attempt, token, deadline, scratch, self._settings, self._log)
            outcome = HandlerOutcome.with_answer(handler(arguments, context))
        except BaseException as failure:  # noqa: BLE001  (``sys.exit`` ends only the attempt, too)
            if os.getpid() != here:
                _end_copy(failure)
            outcome = HandlerOutcome.with_failure(failure)
        if os.getpid() != here:
            _end_copy(SystemExit(0))
        return outcome

    def _load(self, pickled: bytes) -> Handler:
        handler: Handler = pickle.loads(pickled)  # noqa: S301  (see above)
        self._state.keep()
        if isinstance(handler, FunctionType):
            # Others may have values of their own, which the worker sends anew each time.
            self._handlers[pickled] = handler
        return handler


def _end_copy(failure: BaseException) -> NoReturn:
    """End a process that the handler forked and that returned here instead of exiting.

    It would send an answer of its own on the same pipe, and every later task would get the answer of another one.
    """
    code = failure.code if isinstance(failure, SystemExit) else 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
