"""Runs command lines by way of the worker's command server, which is started with the first one."""

import array
import errno
import json
import os
import socket
import subprocess
from contextlib import suppress
from typing import Final, NamedTuple

import trio

from cloudkon.backoff import PATIENT
from cloudkon.errors import CloudKonError

from .command_server import HEADER, main
from .guard_connection import GuardConnection
from .interpreter import start_interpreter

_STOP_SECONDS: Final = 1.0
_TRIES: Final = 4
"""New guards that are asked to start one command line: other command lines may kill them, and their server."""

_EXHAUSTED: Final = (errno.EAGAIN, errno.ENOMEM)
"""Errors of a machine that has no more processes or memory now, for which no task should pay at once."""


class GuardKilled(CloudKonError):
    """A command's guard was killed, so nobody knows how the command ended."""


class _Server(NamedTuple):
    """A command server, and the worker's end of the socket to it."""

    channel: socket.socket
    process: "subprocess.Popen[bytes]"

    def end(self) -> None:
        """End it, also if it was stopped. Its guards go on."""
        self.channel.close()
        self.process.kill()


class Command:
    """A command line that runs under a guard."""

    def __init__(self, guard: GuardConnection, idle: list[GuardConnection]) -> None:
        """Use ``CommandServer.start`` to make one. When the command has ended, its guard is ``idle``."""
        self._guard = guard
        self._idle = idle
        self._has_ended = False
        output, errors = os.pipe(), os.pipe()
        self._outputs = (output[1], errors[1])
        self.output = trio.lowlevel.FdStream(output[0])
        self.errors = trio.lowlevel.FdStream(errors[0])

    async def send(self, request: bytes) -> bool:
        """Send the guard what to run; return whether it has received that. It has not if it was killed before."""
        try:
            return await self._guard.request(request, self._outputs)
        finally:
            for output in self._outputs:
                os.close(output)

    async def wait(self) -> int:
        """Wait until it has ended with all that it started; return its exit code, or minus the signal that ended it.

        Raises ``GuardKilled``.
        """
        status = await self._guard.wait()
        if status is None:
            raise GuardKilled("the process that guards the command was killed")
        self._has_ended = True
        return os.waitstatus_to_exitcode(status)

    async def end(self) -> None:
        """Kill it, if it runs, and all that it started; return when nothing of it is left."""
        self.output.close()
        self.errors.close()
        if self._has_ended:
            self._idle.append(self._guard)
        else:
            await self._guard.end()


class CommandServer:
    """The worker's end of the socket to the server, and of those to the guards."""

    def __init__(self) -> None:
        """Use ``command_server``."""
        self._starting = trio.Lock()
        self._server: _Server | None = None
        self._idle: list[GuardConnection] = []

    async def start(self, line: str, directory: str, environment: dict[str, str]) -> Command:
        """Start a command line by ``/bin/sh -c`` in a session of its own. Raises ``GuardKilled`` and ``OSError``."""
        body = json.dumps([line, directory, environment]).encode()
        request = HEADER.pack(len(body)) + body
        for wait in PATIENT.waits():
            try:
                return await self._start(request)
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
            await trio.sleep(wait)
        return await self._start(request)

    async def _start(self, request: bytes) -> Command:
        # Other command lines may have killed guards, and do so again.
        while self._idle:
            if command := await self._try(self._idle.pop(), request):
                return command
        for _ in range(_TRIES):
            guard, server = await self._fork_guard()
            if command := await self._try(guard, request):
                return command
            if self._server is server:
                self._server = None
            server.end()
        raise GuardKilled("the process that starts commands was killed again and again")

    async def _try(self, guard: GuardConnection, request: bytes) -> Command | None:
        """Have a guard start a command line; return nothing if it was killed or stopped before."""
        command = Command(guard, self._idle)
        try:
            if await command.send(request):
                return command
        except BaseException:
            await command.end()
            raise
        await command.end()
        return None

    async def _fork_guard(self) -> "tuple[GuardConnection, _Server]":
        """Have a guard forked; return its server too. It ends at once if that has been killed."""
        async with self._starting:
            server = self._server = self._server or await self._start_server()
        ours, control = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        rights = array.array("i", [control.fileno()])
        # It needs room for one byte, which there is unless the server is stopped.
        with suppress(OSError):
            server.channel.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        control.close()
        return GuardConnection(ours), server

    async def _start_server(self) -> "_Server":
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        try:
            process = await trio.to_thread.run_sync(start_interpreter, main, [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        server = _Server(ours, process)
        trio.lowlevel.spawn_system_task(self._end_with_loop, server)
        return server

    async def _end_with_loop(self, server: "_Server") -> None:
        """Let the server and its guards end when the event loop ends, and reap it."""
        try:
            await trio.sleep_forever()
        finally:
            server.channel.close()
            while self._idle:
                self._idle.pop().close()
            try:
                server.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


_SERVER: Final[trio.lowlevel.RunVar[CommandServer]] = trio.lowlevel.RunVar("command_server")


def command_server() -> CommandServer:
    """Return the command server of this event loop."""
    try:
        return _SERVER.get()
    except LookupError:
        _SERVER.set(CommandServer())
        return _SERVER.get()
