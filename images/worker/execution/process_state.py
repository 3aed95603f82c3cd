"""Sets a slot's process back after each task, so that nothing that one task changes reaches the next one."""

import copy
import gc
import importlib
import locale
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from cloudkon.process_tree import children, kill_descendants

from .saved_descriptors import SavedDescriptors

# These are read after each task. The functions of the public modules take many times as long, since they make
# enumerations or look for names.
_getsignal: Final[Callable[[int], Any]] = importlib.import_module("_signal").getsignal
_set_mask: Final[Callable[..., set[int]]] = importlib.import_module("_signal").pthread_sigmask
_set_locale: Final[Callable[..., str]] = importlib.import_module("_locale").setlocale
_count_threads: Final[Callable[[], int]] = importlib.import_module("_thread")._count  # noqa: SLF001  (it is documented there)
"""How many threads run that Python has started, daemons included."""
_SIGNALS: Final = sorted(set(range(1, 32)) & {*signal.valid_signals()} - {signal.SIGKILL, signal.SIGSTOP})
_LIMITS: Final = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
_ENVIRONMENT: Final[dict[bytes, bytes]] = vars(os.environ)["_data"]
"""The variables as they are stored: to compare them by way of ``os.environ`` takes longer than all the rest."""
_JOIN_SECONDS: Final = 0.1
"""How long a thread that was told to end may take."""
_HELPERS: Final = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
)
"""Where ``multiprocessing`` keeps the numbers of processes that it starts once and needs until the end."""


class _Part(NamedTuple):
    """A part of the process's state. ``write`` takes a value of ``read``."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


class ProcessState:
    """The state of this process between two tasks."""

    def __init__(self) -> None:
        """Keep the present state."""
        self._mask = os.umask(0o077)
        os.umask(self._mask)
        self._descriptors = SavedDescriptors()
        self._output, self._errors = sys.stdout, sys.stderr
        self._parts = (
            _Part("environment", lambda: _ENVIRONMENT, _write_environment),
            _Part("signal handlers", lambda: [*map(_getsignal, _SIGNALS)], _write_handlers),
            _Part("signal mask", partial(_set_mask, signal.SIG_BLOCK, ()), _write_mask),
            _Part("locale", partial(_set_locale, locale.LC_ALL, None), partial(_set_locale, locale.LC_ALL)),
            _Part("import path", lambda: sys.path, _write_import_path),
            _Part("resource limits", lambda: [*map(resource.getrlimit, _LIMITS)], _write_limits),
            _Part("priority", partial(os.getpriority, os.PRIO_PROCESS, 0), partial(os.setpriority, os.PRIO_PROCESS, 0)),
            _Part("interpreter's settings", _interpreter, _write_interpreter),
            _Part("standard streams", lambda: (sys.stdin, sys.stdout, sys.stderr), _write_streams),
        )
        self._reads = [part.read for part in self._parts]
        self._most_descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        self.keep()

    def keep(self) -> None:
        """Keep what the import of a handler's module has changed: modules are imported once a process."""
        self._descriptors.keep()
        self._kept = [copy.copy(read()) for read in self._reads]
        self._threads = _lasting_threads()

    def end_leftovers(self) -> str:
        """End what a task left running; return a word for what can't be ended, or nothing.

        This is for the time before the task's answer: what runs on is the task's fault, and not the next one's.
        """
        try:
            signal.alarm(0)
            # This process's own streams, whatever the handler has put in their place. A closed one raises.
            self._output.flush()
            self._errors.flush()
            _end_children()
        except Exception as failure:  # noqa: BLE001  (whatever it is, a new process is without it)
            return _text(failure)
        return "threads" if _count_threads() and self._has_new_threads() else ""

    def restore(self) -> str:
        """Set the process back; return what could not be set back, or nothing."""
        try:
            os.umask(self._mask)
            self._descriptors.restore()
            now = [read() for read in self._reads]
            reason = "" if now == self._kept else self._set_back(now)
            # The kernel gives the lowest free number, so files that were left open make it rise.
            lowest = os.dup(0)
            os.close(lowest)
        except Exception as failure:  # noqa: BLE001  (as above)
            return _text(failure)
        return reason or ("open files" if lowest > self._most_descriptors else "")

    def _set_back(self, now: list[Any]) -> str:
        for part, kept, value in zip(self._parts, self._kept, now, strict=True):
            if value == kept:
                continue
            part.write(kept)
            if part.read() != kept:
                return part.name
        return ""

    def _has_new_threads(self) -> bool:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon and thread not in self._threads:
                thread.join(_JOIN_SECONDS)
        return bool(_lasting_threads() - self._threads)


def _end_children() -> None:
    """End the processes that a task left, and theirs, in whichever sessions they are."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return  # there are none, almost always
    helpers = _helpers()
    if children() - helpers:
        kill_descendants(spared=helpers)


def _text(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}"


def _lasting_threads() -> set[threading.Thread]:
    """Return the threads that Python would wait for at the end of the process."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


def _helpers() -> set[int]:
    pids = set()
    for module, owner, attribute in _HELPERS:
        if module in sys.modules and (pid := getattr(getattr(sys.modules[module], owner), attribute, None)):
            pids.add(pid)
    return pids


def _interpreter() -> tuple[Any, ...]:
    return (
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.gettrace(),
        sys.getprofile(),
        socket.getdefaulttimeout(),
        gc.isenabled(),
    )


def _write_interpreter(kept: tuple[Any, ...]) -> None:
    recursion, switch, trace, profile, timeout, collects = kept
    sys.setrecursionlimit(recursion)
    sys.setswitchinterval(switch)
    sys.settrace(trace)
    sys.setprofile(profile)
    socket.setdefaulttimeout(timeout)
    (gc.enable if collects else gc.disable)()


def _write_environment(kept: dict[bytes, bytes]) -> None:
    os.environb.clear()
    os.environb.update(kept)
    time.tzset()


def _write_handlers(kept: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, kept, strict=True):
        # One that a C library has installed can be neither seen nor set from here.
        if handler is not None and _getsignal(number) != handler:
            signal.signal(number, handler)


def _write_mask(kept: set[int]) -> None:
    _set_mask(signal.SIG_SETMASK, kept)


def _write_import_path(kept: list[str]) -> None:
    sys.path[:] = kept


def _write_limits(kept: list[tuple[int, int]]) -> None:
    for kind, limits in zip(_LIMITS, kept, strict=True):
        # Only root may raise a hard limit that was lowered.
        with suppress(ValueError):
            resource.setrlimit(kind, limits)


def _write_streams(kept: tuple[Any, Any, Any]) -> None:
    sys.stdin, sys.stdout, sys.stderr = kept
