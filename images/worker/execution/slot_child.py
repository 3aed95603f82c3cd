"""Runs in a slot's process: one job after the other. It imports what handlers need, and not trio.

Only the worker sends pickled values, because handlers and their arguments are Python objects. Answers are JSON, so that
the worker never unpickles anything that a handler wrote.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn

import orjson

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings

from .outcome import HandlerOutcome

Handler = Callable[[str, Context], str | None]
"""A synchronous one."""
Job = tuple[Handler, str, TaskId, int, str, float, str]
"""A handler, its arguments, and the part of its context that differs by task: ``task`` to ``scratch_path``."""


def serve(pipe: Connection, settings: Settings, log: Log) -> None:
    """Report that the process is ready; then run each job and send its outcome, until the worker closes the pipe."""
    # Ctrl-C reaches all processes of a terminal; the worker decides what happens to this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    # The worker closes the pipe between jobs, or has died while an answer was under way.
    with contextlib.suppress(EOFError, ConnectionError):
        pipe.send_bytes(b"ready")
        while True:
            pipe.send_bytes(orjson.dumps([*_outcome_of(pipe.recv_bytes(), settings, log)]))


def _end_with_worker() -> None:
    """Kill this process group when the worker has died: nothing would read the answer, so the work must not go on.

    The kernel's death signal (prctl) can't be used: it is sent when the *thread* that started the process ends, and
    trio ends threads that were idle for ten seconds.
    """
    worker = multiprocessing.parent_process()
    assert worker is not None
    worker.join()
    os.killpg(0, signal.SIGKILL)


def _outcome_of(job: bytes, settings: Settings, log: Log) -> HandlerOutcome:
    """Run a handler. Its exceptions stay in this process: some can't be pickled, or not be unpickled."""
    here = os.getpid()
    try:
        message: Job = pickle.loads(job)  # noqa: S301  (the worker wrote it, to a pipe that no other process has)
        handler, arguments, task, attempt, token, deadline, scratch = message
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
