"""Runs in a slot's processes: one job after the other. It imports what handlers need, and not trio.

A slot has two processes. The first guards the second: it ends all that handlers started, whichever sessions they went
into, when the second process or the worker ends. The second one runs the handlers.

Only the worker sends pickled values, because handlers and their arguments are Python objects. Answers are JSON, so that
the worker never unpickles anything that a handler wrote.
"""

import contextlib
import multiprocessing
import multiprocessing.spawn
import os
import pickle
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import orjson

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings

from ..processes.guard import guard
from ..processes.kernel import adopt_orphans, die_with_parent, make_undumpable
from .outcome import HandlerOutcome
from .process_state import ProcessState

Handler = Callable[[str, Context], str | None]
"""A synchronous one."""
Job = tuple[Handler, str, TaskId, int, str, float, str]
"""A handler, its arguments, and the part of its context that differs by task: ``task`` to ``scratch_path``."""
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
        _end_like(guard(child, control))
    os.close(control)
    die_with_parent()
    # What a handler's own children leave comes back to this process, so that it knows.
    adopt_orphans()
    os.setpgid(0, 0)
    if os.getppid() == parent:
        serve(Connection(pipe))


def _end_like(status: int) -> NoReturn:
    """End with the exit code, or by the signal, of a wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)


def serve(pipe: Connection) -> None:
    """Report that the process is ready; then run each job and send its outcome, until the worker closes the pipe."""
    # The worker closes the pipe between jobs, or has died while an answer was under way.
    with contextlib.suppress(EOFError, ConnectionError):
        settings, log = _prepare(pipe)
        pipe.send_bytes(b"ready")
        state = ProcessState()
        while True:
            outcome = _outcome_of(pipe.recv_bytes(), settings, log, state)
            pipe.send_bytes(orjson.dumps([*outcome, state.restore()]))


def _prepare(pipe: Connection) -> tuple[Settings, Log]:
    """Make this process like the worker, and return the settings and the log that handlers get."""
    received: Preparation = pickle.loads(pipe.recv_bytes())  # noqa: S301  (see above)
    environment, data = received
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
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    settings, log = pickle.loads(pipe.recv_bytes())  # noqa: S301  (see above)
    return settings, log


def _outcome_of(job: bytes, settings: Settings, log: Log, state: ProcessState) -> HandlerOutcome:
    """Run a handler. Its exceptions stay in this process: some can't be pickled, or not be unpickled."""
    here = os.getpid()
    try:
        message: Job = pickle.loads(job)  # noqa: S301  (the worker wrote it, to a pipe that no other process has)
        handler, arguments, task, attempt, token, deadline, scratch = message
        state.keep_for(handler)
        context = Context(task, attempt, token, deadline, scratch, settings, log)
        outcome = HandlerOutcome.with_answer(handler(arguments, context))
    except BaseException as failure:  # noqa: BLE001  (``sys.exit`` ends only the attempt, too)
        if os.getpid() != here:
            _end_copy(failure)
        outcome = HandlerOutcome.with_failure(failure)
    if os.getpid() != here:
        _end_copy(SystemExit(0))
    return outcome


def _end_copy(failure: BaseException) -> NoReturn:
    """End a process that the handler forked and that returned here instead of exiting.

    It would send an answer of its own on the same pipe, and every later task would get the answer of another one.
    """
    code = failure.code if isinstance(failure, SystemExit) else 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
