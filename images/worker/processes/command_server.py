"""Starts command lines in a process of its own, each with a guard that ends all that the command line starts.

The server forks a guard for each command line, since a fork of this small process takes a fraction of the time of a new
interpreter. The shell is the guard's child, so a program that waits for all its children waits for its own only. The
server has none of the worker's environment, and neither it nor a guard can be read or traced by what they start.
"""

import json
import os
import select
import signal
import socket
import struct
from contextlib import suppress
from typing import Final, NoReturn

from .guard import guard, wake_on_child
from .kernel import adopt_orphans, enter_domain, has_no_new_privileges, make_undumpable
from .process_tree import children, kill_descendants

HEADER: Final = struct.Struct("!I")
"""The length of a request."""
RECEIVED: Final = b"+"
"""The first answer to a request: the command line starts now."""
STATUS: Final = struct.Struct("!i")
"""A wait status, the second answer."""
DESCRIPTORS: Final = 3
"""How many descriptors come with each request for a guard: its control socket, standard output and standard error."""
_CANT_START: Final = 126
_IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)
"""Signals that this process ignores. What is ignored stays so in a new program."""
_READ_BYTES: Final = 4096


def main(descriptor: int) -> None:
    """Fork a guard for each message on the socket, until the worker closes it."""
    make_undumpable()
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)  # noqa: FBT003  (it takes no keyword)
    ended = wake_on_child()
    guards: set[int] = set()
    with socket.socket(fileno=descriptor) as requests:
        while True:
            ready, _, _ = select.select([ended, requests.fileno()], [], [])
            if ended in ready:
                os.read(ended, _READ_BYTES)
                _reap(guards)
            if requests.fileno() in ready:
                message, passed, _, _ = socket.recv_fds(requests, 1, DESCRIPTORS)
                if not message:
                    return
                guards.add(_fork_guard(requests, passed))


def _fork_guard(requests: socket.socket, descriptors: list[int]) -> int:
    """Fork a guard that serves one request; return its process id."""
    for one in descriptors:
        os.set_inheritable(one, False)  # noqa: FBT003  (it takes no keyword)
    process = os.fork()
    if not process:
        requests.close()
        _serve(*descriptors)
    for one in descriptors:
        os.close(one)
    return process


def _reap(guards: set[int]) -> None:
    """Reap the guards that have ended, and kill what a guard has left that was killed itself."""
    killed = False
    for process in list(guards):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            guards.discard(process)
            killed = killed or os.WIFSIGNALED(status)
    # What the others start comes back to them.
    if killed and children() - guards:
        kill_descendants(spared=guards)


def _serve(control: int, output: int, errors: int) -> NoReturn:
    """Run one command line in this process, which is forked for it, and send its wait status."""
    code = 1
    try:
        adopt_orphans()
        with socket.socket(fileno=control) as channel:
            line, directory, environment = _receive(channel)
            channel.sendall(RECEIVED)
            child = _start_shell(line, directory, environment, output, errors)
            os.close(output)
            os.close(errors)
            channel.sendall(STATUS.pack(guard(child, channel.fileno())))
            code = 0
    except (EOFError, OSError):
        pass  # the worker is gone
    finally:
        os._exit(code)


def _receive(channel: socket.socket) -> tuple[str, str, dict[str, str]]:
    """Return a command line, its directory and its environment."""
    (length,) = HEADER.unpack(_read(channel, HEADER.size))
    line, directory, environment = json.loads(_read(channel, length))
    return line, directory, environment


def _read(channel: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = channel.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _start_shell(line: str, directory: str, environment: dict[str, str], output: int, errors: int) -> int:
    """Start the shell that runs the command line; return its process id."""
    program = ("/bin/sh", "-c", line)
    if not has_no_new_privileges():
        # A domain would take from the command line what it can have here, such as sudo.
        with suppress(OSError, ValueError, NotImplementedError):
            os.chdir(directory)
            return os.posix_spawn(
                program[0],
                program,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, errors, 2),
                ],
                setsid=True,
                setsigdef=_IGNORED,
            )
    child = os.fork()
    if not child:
        _execute(program, directory, environment, output, errors)
    return child


def _execute(
    program: tuple[str, ...], directory: str, environment: dict[str, str], output: int, errors: int
) -> NoReturn:
    """Become the program, in a domain of its own where the kernel has them; else write why not."""
    try:
        os.setsid()
        os.chdir(directory)
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
            os.dup2(descriptor, number)
        for ignored in _IGNORED:
            signal.signal(ignored, signal.SIG_DFL)
        enter_domain()
        os.execve(program[0], program, environment)  # noqa: S606  (the command line is the user's)
    except (OSError, ValueError) as error:
        os.write(2, f"can't be started: {error}\n".encode(errors="replace"))
    finally:
        os._exit(_CANT_START)
