"""Slot child: what runs in a slot's process, one job after the other. It imports what handlers need, and no trio.

Only the worker sends pickled values, since handlers and what they are given are Python's. Answers are JSON, so that
nothing that a handler wrote is run in the worker.
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
"""A handler, its arguments, and of its context what is not the same for all: ``task`` to ``scratch_path``."""


def serve(pipe: Connection, settings: Settings, log: Log) -> None:
    """Say once that it is there; then run each job that comes and answer with its ending, until the worker hangs up."""
    # Ctrl-C reaches all processes of a terminal; what it means here, the worker decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    # It hangs up between jobs, or has died with an answer on the way.
    with contextlib.suppress(EOFError, ConnectionError):
        pipe.send_bytes(b"ready")
        while True:
            pipe.send_bytes(orjson.dumps([*_ending_of(pipe.recv_bytes(), settings, log)]))


def _end_with_worker() -> None:
    """Should the worker be killed, nobody is left to read the answer: the work must not go on.

    Not by the kernel's death signal (prctl): it comes when the *thread* ends that started the process, and trio lets
    a thread go that was idle for ten seconds.
    """
    worker = multiprocessing.parent_process()
    assert worker is not None
    worker.join()
    os.killpg(0, signal.SIGKILL)


def _ending_of(job: bytes, settings: Settings, log: Log) -> HandlerOutcome:
    """Run a handler. Its exceptions stay here: not every one can be sent, or be read again."""
    here = os.getpid()
    try:
        given: Job = pickle.loads(job)  # noqa: S301  (the worker's own words, by a pipe that nobody else has)
        handler, arguments, task, attempt, token, deadline, scratch = given
        context = Context(task, attempt, token, deadline, scratch, settings, log)
        ending = HandlerOutcome.with_answer(handler(arguments, context))
    except BaseException as failure:  # noqa: BLE001  (``sys.exit`` too ends the attempt and no more)
        if os.getpid() != here:
            _end_copy(failure)
        ending = HandlerOutcome.with_failure(failure)
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
