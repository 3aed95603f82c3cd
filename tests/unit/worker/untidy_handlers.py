"""Synchronous handlers that change the process they run in, and one that shows what a task finds there."""

import fcntl
import gc
import json
import locale
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Final

from cloudkon.handler import Context


def leave(arguments: str, context: Context) -> str:
    LEFT[arguments]()
    return str(os.getpid())


def show(arguments: str, context: Context) -> str:
    """Return the number of this process, and the state that it is in."""
    mask = os.umask(0)
    os.umask(mask)
    state = {
        "directory": os.getcwd(),  # noqa: PTH109  (as a user would write it)
        "umask": mask,
        "environment": sorted(os.environ.items()),
        "variables of a child": subprocess.run(["env"], capture_output=True, text=True, check=True).stdout,
        "handlers": [str(signal.getsignal(number)) for number in (1, 2, 14, 15, 17)],
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "locale": locale.setlocale(locale.LC_ALL),
        "path": sys.path,
        "streams": [type(stream).__name__ for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "output": os.readlink("/proc/self/fd/1"),  # noqa: PTH115  (as above)
        "flags": [fcntl.fcntl(number, fcntl.F_GETFL) for number in (0, 1, 2)],
        "limits": [resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)],
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "interpreter": [sys.getrecursionlimit(), str(sys.gettrace()), socket.getdefaulttimeout(), gc.isenabled()],
        "threads": threading.active_count(),
        "many files": len(os.listdir("/proc/self/fd")) > 300,  # noqa: PTH208  (as above)
        "children": bool(_children()),
    }
    return json.dumps([os.getpid(), state])


def daemon(arguments: str, context: Context) -> None:
    """Start a process in a session of its own whose number is in ``NOTE``; then do as told: ``NOTE crash``."""
    note, then = arguments.split()
    if then == "stop-guard-again":
        subprocess.Popen(["sh", "-c", f"while :; do kill -STOP {os.getppid()}; done"])
    if then.startswith("stop-guard"):
        os.kill(os.getppid(), signal.SIGSTOP)
    _start_daemon(note)
    if then == "wait" or then.startswith("stop-guard"):
        time.sleep(1000)
    if then == "crash":
        os.kill(os.getpid(), signal.SIGKILL)


def read_input(arguments: str, context: Context) -> str:
    return subprocess.run(["cat"], capture_output=True, text=True, check=True).stdout + sys.stdin.read()


def print_and_die(arguments: str, context: Context) -> None:
    print(arguments)  # noqa: T201  (as a user would write it)
    os.kill(os.getpid(), signal.SIGKILL)


def _start_daemon(note: str) -> None:
    script = f"(setsid sh -c 'echo $$ > {note}.new; mv {note}.new {note}; exec sleep 1000' &)"
    subprocess.run(["sh", "-c", script], check=True)
    while not os.path.exists(note):  # noqa: PTH110  (as a user would write it)
        time.sleep(0.01)


def _children() -> list[str]:
    with open("/proc/self/task/" + str(os.getpid()) + "/children") as file:  # noqa: PTH123  (as a user would write it)
        return file.read().split()


def _removed_directory() -> None:
    directory = tempfile.mkdtemp()
    os.chdir(directory)
    os.rmdir(directory)  # noqa: PTH106  (as a user would write it)


def _environment() -> None:
    os.environ["LEFT"] = "behind"
    del os.environ["PATH"]
    os.environ["TZ"] = "Asia/Tokyo"


def _alarm() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(1)


def _daemon() -> None:
    _start_daemon(tempfile.mktemp())


def _many_files() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for _ in range(soft // 2 + 10):
        os.dup(0)


def _lower_limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _redirect() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _set_stream() -> None:
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (as a user would write it)


SET_BACK: Final[dict[str, Callable[[], object]]] = {
    "removed directory": _removed_directory,
    "umask": lambda: os.umask(0o777),
    "environment": _environment,
    "handler": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
    "alarm": _alarm,
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
    "import path": sys.path.clear,
    "stream": _set_stream,
    "blocking": lambda: fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK),
    "appending": lambda: fcntl.fcntl(1, fcntl.F_SETFL, os.O_APPEND),
    "signals of a descriptor": lambda: fcntl.fcntl(2, fcntl.F_SETFL, os.O_ASYNC),
    "closed input": lambda: os.close(0),
    "redirected descriptor": _redirect,
    "limit": _lower_limit,
    "recursion": lambda: sys.setrecursionlimit(200),
    "trace": lambda: sys.settrace(lambda *_: None),
    "time-out": lambda: socket.setdefaulttimeout(1),
    "collector": gc.disable,
    "child": lambda: subprocess.Popen(["sleep", "1000"]),
    "daemon": _daemon,
}
REPLACED: Final[dict[str, Callable[[], object]]] = {
    "thread": lambda: threading.Thread(target=time.sleep, args=(1000,)).start(),
    "closed stream": lambda: sys.stdout.close(),  # noqa: PLW0108  (the stream of that time)
    "many files": _many_files,
}
EITHER: Final[dict[str, Callable[[], object]]] = {
    "priority": lambda: os.nice(3),
    "hard limit": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9)),
}
"""Only root can set these back."""
LEFT: Final = SET_BACK | REPLACED | EITHER
