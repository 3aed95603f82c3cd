"""Starts command lines in processes of its own: guards, each of which ends all that its command line starts.

The server forks a guard when there are more command lines at a time than guards, since a fork of this small process
takes a fraction of the time of a new interpreter. A guard runs one command line after the other. The shell is the
guard's child, so a program that waits for all its children waits for its own only. Server and guards have none of the
worker's environment, and what they start can neither read nor trace them.
"""

import gc
import json
import os
import select
import signal
import socket
import struct
import threading
from typing import Final, NoReturn

from cloudkon.kernel import adopt_orphans, has_no_new_privileges, make_undumpable
from cloudkon.process_tree import children, kill_descendants, start_ticks

from .guard import guard, wake_on_child
from .landlock import enter_domain

HEADER: Final = struct.Struct("!I")
"""The length of a request."""
RECEIVED: Final = struct.Struct("!IQ")
"""The first answer to a request: the command line starts now. It has the guard's process id and its start in ticks."""
STATUS: Final = struct.Struct("!i")
"""A wait status, the second answer."""
_CONTROLS: Final = 1
"""How many descriptors come with each message to the server: the control socket of a new guard."""
_OUTPUTS: Final = 2
"""How many come with each request to a guard: standard output and standard error."""
_CANT_START: Final = 126 << 8
"""The wait status of a shell that doesn't exist, as shells have it for programs that they can't run."""
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
    # A guard shares the memory of all that exists now, for as long as nobody writes to it.
    gc.freeze()
    guards: set[int] = set()
    with socket.socket(fileno=descriptor) as requests:
        while True:
            ready, _, _ = select.select([ended, requests.fileno()], [], [])
            if ended in ready:
                os.read(ended, _READ_BYTES)
                _reap(guards)
            if requests.fileno() in ready:
                message, passed, _, _ = socket.recv_fds(requests, 1, _CONTROLS)
                if not message:
                    return
                guards.add(_fork_guard(requests, passed))


def _fork_guard(requests: socket.socket, descriptors: list[int]) -> int:
    """Fork a guard that serves the requests of a control socket; return its process id."""
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


def _serve(control: int) -> NoReturn:
    """Run the command lines of a control socket in this process, which is forked for it, until the worker closes it."""
    code = 1
    try:
        adopt_orphans()
        ended = wake_on_child()
        received = RECEIVED.pack(os.getpid(), start_ticks(os.getpid()))
        with socket.socket(fileno=control) as channel:
            while _run(channel, ended, received):
                pass
            code = 0
    except (EOFError, OSError):
        pass  # the worker is gone
    finally:
        os._exit(code)


def _run(channel: socket.socket, ended: int, received: bytes) -> bool:
    """Run one command line and send its wait status; return whether nothing of it is left."""
    (line, directory, environment), outputs = _receive(channel)
    channel.sendall(received)
    try:
        child = _start_shell(line, directory, environment, *outputs)
    except (OSError, ValueError, NotImplementedError) as error:
        os.write(outputs[1], f"can't be started: {error}\n".encode(errors="replace"))
        child = 0
    for output in outputs:
        os.close(output)
    status, clean = guard(child, ended, channel.fileno()) if child else (_CANT_START, True)
    channel.sendall(STATUS.pack(status))
    return clean


def _receive(channel: socket.socket) -> tuple[tuple[str, str, dict[str, str]], list[int]]:
    """Return a command line, its directory and its environment; and the descriptors for its output."""
    start, outputs, _, _ = socket.recv_fds(channel, HEADER.size, _OUTPUTS)
    for output in outputs:
        os.set_inheritable(output, False)  # noqa: FBT003  (it takes no keyword)
    (length,) = HEADER.unpack(start + _read(channel, HEADER.size - len(start)))
    line, directory, environment = json.loads(_read(channel, length))
    return (line, directory, environment), outputs


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
    started: list[int | Exception] = []

    def start() -> None:
        try:
            os.chdir(directory)
            started.append(_spawn(line, environment, output, errors))
        except (OSError, ValueError, NotImplementedError) as error:
            started.append(error)
        finally:
            os.chdir("/")

    def start_in_domain() -> None:
        enter_domain()
        start()

    if has_no_new_privileges():
        # The thread is in the domain and ends; a fork, which a process without threads would need, takes far longer.
        thread = threading.Thread(target=start_in_domain)
        thread.start()
        thread.join()
    else:
        # A domain would take from the command line what it can have here, such as sudo.
        start()
    if isinstance(started[0], Exception):
        raise started[0]
    return started[0]


def _spawn(line: str, environment: dict[str, str], output: int, errors: int) -> int:
    return os.posix_spawn(
        "/bin/sh",
        ("/bin/sh", "-c", line),
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, errors, 2),
        ],
        setsid=True,
        setsigdef=_IGNORED,
    )
