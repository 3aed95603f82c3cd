"""Runs command lines by way of the worker's command server, which is started with the first one."""

import array
import json
import os
import socket
import subprocess
from contextlib import suppress
from typing import Final

import trio

from cloudkon.errors import CloudKonError

from .command_server import HEADER, RECEIVED, STATUS, main
from .interpreter import start_interpreter

_KILL_SECONDS: Final = 10.0
"""How long the guard may take to kill all; longer than it takes by itself."""
_STOP_SECONDS: Final = 1.0
_TRIES: Final = 4
"""Servers that are asked to start one command line: other command lines may kill them."""


class GuardKilled(CloudKonError):
    """A command's guard was killed, so nobody knows how the command ended."""


class Command:
    """A command line that runs under a guard."""

    def __init__(self, control: trio.SocketStream, output: int, errors: int) -> None:
        """Use ``CommandServer.start`` to make one."""
        self._control = control
        self.output = trio.lowlevel.FdStream(output)
        self.errors = trio.lowlevel.FdStream(errors)

    async def send(self, request: bytes) -> bool:
        """Send the guard what to run; return whether it has received that. It has not if it was never forked."""
        try:
            await self._control.send_all(request)
            return await self._control.receive_some(len(RECEIVED)) == RECEIVED
        except trio.BrokenResourceError:
            return False

    async def wait(self) -> int:
        """Wait until it has ended with all that it started; return its exit code, or minus the signal that ended it.

        Raises ``GuardKilled``.
        """
        answer = b""
        with suppress(trio.BrokenResourceError):
            while len(answer) < STATUS.size and (piece := await self._control.receive_some(STATUS.size)):
                answer += piece
        if len(answer) < STATUS.size:
            raise GuardKilled("the process that guards the command was killed")
        return os.waitstatus_to_exitcode(*STATUS.unpack(answer))

    async def end(self) -> None:
        """Kill it, if it runs, and all that it started; return when nothing of it is left."""
        with (
            trio.move_on_after(_KILL_SECONDS, shield=True),
            suppress(GuardKilled, trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await self._control.send_eof()
            await self.wait()
        for stream in (self._control, self.output, self.errors):
            await trio.aclose_forcefully(stream)


class CommandServer:
    """The worker's end of the socket to the server."""

    def __init__(self) -> None:
        """Use ``command_server``."""
        self._starting = trio.Lock()
        self._socket: socket.socket | None = None

    async def start(self, line: str, directory: str, environment: dict[str, str]) -> Command:
        """Start a command line by ``/bin/sh -c`` in a session of its own. Raises ``GuardKilled``."""
        request = json.dumps([line, directory, environment]).encode()
        for _ in range(_TRIES):
            command, server = await self._fork_guard()
            try:
                if await command.send(HEADER.pack(len(request)) + request):
                    return command
            except BaseException:
                await command.end()
                raise
            # Another command line has killed the server before it forked.
            await command.end()
            if self._socket is server:
                self._socket = None
            server.close()
        raise GuardKilled("the process that starts commands was killed again and again")

    async def _fork_guard(self) -> tuple[Command, socket.socket]:
        """Have a guard forked for a command line; return its server too. It ends at once if that has been killed."""
        async with self._starting:
            server = self._socket = self._socket or await _start_server()
        ours, control = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        output, errors = os.pipe(), os.pipe()
        rights = array.array("i", [control.fileno(), output[1], errors[1]])
        # It needs room for one byte, which there is unless the server is stopped.
        with suppress(OSError):
            server.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        control.close()
        os.close(output[1])
        os.close(errors[1])
        return Command(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), output[0], errors[0]), server


_SERVER: Final[trio.lowlevel.RunVar[CommandServer]] = trio.lowlevel.RunVar("command_server")


def command_server() -> CommandServer:
    """Return the command server of this event loop."""
    try:
        return _SERVER.get()
    except LookupError:
        _SERVER.set(CommandServer())
        return _SERVER.get()


async def _start_server() -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003  (it takes no keyword)
    try:
        process = await trio.to_thread.run_sync(start_interpreter, main, [theirs.fileno()])
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    trio.lowlevel.spawn_system_task(_end_with_loop, ours, process)
    return ours


async def _end_with_loop(ours: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """Let the server end when the event loop ends, and reap it."""
    try:
        await trio.sleep_forever()
    finally:
        ours.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
