"""Synchronous handlers, in a module that a slot process can import."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from cloudkon.errors import PermanentFailure
from cloudkon.handler import Context


class Picky(Exception):
    """An exception that can't be made from its text alone."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.second = second


def who(arguments: str, context: Context) -> str:
    return f"{os.getpid()} {context.task} {context.attempt} {arguments}"


def give_nothing(arguments: str, context: Context) -> None:
    return None


def fail(arguments: str, context: Context) -> str:
    raise ValueError("bad luck")


def fail_for_good(arguments: str, context: Context) -> str:
    raise PermanentFailure("never")


def fail_oddly(arguments: str, context: Context) -> str:
    raise Picky("one", "two")


def leave(arguments: str, context: Context) -> str:
    sys.exit(5)


def interrupt(arguments: str, context: Context) -> str:
    raise KeyboardInterrupt


def return_a_function(arguments: str, context: Context) -> object:
    return lambda: 1


def crash(arguments: str, context: Context) -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return "survived"


def crash_by(arguments: str, context: Context) -> str:
    os.kill(os.getpid(), int(arguments))
    return "survived"


def quit_silently(arguments: str, context: Context) -> str:
    os._exit(0)


def crash_once(arguments: str, context: Context) -> str:
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "at last"


def wait(arguments: str, context: Context) -> str:
    time.sleep(float(arguments))
    return "waited"


def meet(arguments: str, context: Context) -> str:
    """Wait until the given number of tasks run at the same time."""
    many, place = arguments.split()
    directory = Path(place)
    directory.mkdir(exist_ok=True)
    (directory / str(context.task.seq)).touch()
    while len(list(directory.iterdir())) < int(many):
        time.sleep(0.01)
    return "met"


def wait_with_child(arguments: str, context: Context) -> str:
    child = subprocess.Popen(["sleep", "1000"])
    with open(arguments, "w") as note:  # noqa: PTH123  (as a user would write it)
        note.write(f"{os.getpid()} {child.pid}")
    time.sleep(1000)
    return "never"


def hold_the_gil(arguments: str, context: Context) -> str:
    """Hold it until something is written to a named pipe."""
    with open(arguments, "rb", buffering=0) as pipe:  # noqa: PTH123  (as a user would write it)
        # PyDLL keeps the GIL while the C function runs.
        ctypes.PyDLL(None).read(pipe.fileno(), ctypes.create_string_buffer(1), 1)
    return "held"


def fill_scratch(arguments: str, context: Context) -> str:
    (context.scratch_directory() / "file").write_text("x")
    context.progress(0.5, "half way")
    context.log.info("words", what=arguments)
    return str(context.scratch_directory())


def fork_and_return(arguments: str, context: Context) -> str:
    return "parent" if os.fork() else "child"


def fork_and_leave(arguments: str, context: Context) -> str:
    child = os.fork()
    if not child:
        sys.exit(7)
    return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def fork_and_fail(arguments: str, context: Context) -> str:
    child = os.fork()
    if not child:
        raise ValueError("in the child")
    return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def fork_and_crash(arguments: str, context: Context) -> str:
    """Crash after forking a child that lives on and keeps all open files."""
    child = os.fork()
    if not child:
        time.sleep(1000)
    with open(arguments, "w") as note:  # noqa: PTH123  (as a user would write it)
        note.write(str(child))
    os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def use_a_pool(arguments: str, context: Context) -> str:
    with multiprocessing.Pool(2) as pool:
        return str(sum(pool.map(len, arguments.split())))


def loaded(arguments: str, context: Context) -> str:
    return " ".join(name for name in arguments.split() if name in sys.modules)


def echo(arguments: str, context: Context) -> str:
    return arguments


def leave_a_thread(arguments: str, context: Context) -> str:
    threading.Thread(target=time.sleep, args=(1000,)).start()
    return str(os.getpid())


def leave_a_child(arguments: str, context: Context) -> str:
    return str(subprocess.Popen(["sleep", "1000"]).pid)
