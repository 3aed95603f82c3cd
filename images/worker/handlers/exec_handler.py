"""``exec COMMAND LINE``: run by ``/bin/sh -c`` in a process group of its own."""

import os
import signal
import subprocess

import trio

from cloudkon.errors import CloudKonError
from cloudkon.handler import Context
from cloudkon.instructions.exec import check_exec
from cloudkon.model.result import OUTPUT_LIMIT

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What a command sees of the worker's environment: nothing that leads to credentials."""
_GUARDED = """
exec 3<&0 </dev/null
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-
exec /bin/sh -c "$1"
"""
"""Runs the command line beside a guard that kills the whole group when the worker's end of the pipe closes.

The kernel's own signal for it (prctl's) comes when the thread ends that started the process, and trio lets a thread
go that was idle for ten seconds.
"""
_LINGER = 1.0
"""Seconds that output may still come after the end: a process that left the group can hold the pipes for ever."""
_ERROR_TAIL = 1000
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""How the shell ends when it, or the last program it ran, was killed: so does the kernel where memory is scarce."""


class CommandFailed(CloudKonError):
    """A command line ended with an exit code that isn't 0, or by a signal."""


async def run_command(arguments: str, context: Context) -> str:
    """Run it in the task's scratch directory; give the end of its standard output.

    When the attempt is cancelled (time-out, lost lease, shutdown's end), and when the worker dies, the whole group
    is killed.
    """
    check_exec(arguments)
    process = await trio.lowlevel.open_process(
        ["/bin/sh", "-c", _GUARDED, "sh", arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=context.scratch_directory(),
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        | {"CLOUDKON_TASK": str(context.task), "CLOUDKON_ATTEMPT": str(context.attempt)},
        start_new_session=True,
    )
    tails = {"stdout": b"", "stderr": b""}

    async def drain(name: str, stream: trio.abc.ReceiveStream) -> None:
        async for data in stream:
            tails[name] = (tails[name] + data)[-OUTPUT_LIMIT:]

    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with process.stdin, process.stdout, process.stderr, trio.open_nursery() as nursery:
            nursery.start_soon(drain, "stdout", process.stdout)
            nursery.start_soon(drain, "stderr", process.stderr)
            code = await process.wait()
            # What the command left running in the background ends with it.
            _kill_group(process.pid)
            nursery.cancel_scope.deadline = trio.current_time() + _LINGER
    finally:
        _kill_group(process.pid)
        with trio.CancelScope(shield=True):
            await process.wait()
    if code:
        how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        if code in _KILLED:
            how += ", perhaps since it ran out of memory"
        tail = _tail(tails["stderr"], _ERROR_TAIL)
        raise CommandFailed(f"{how}: {tail}" if tail else how)
    return _tail(tails["stdout"], OUTPUT_LIMIT)


def _tail(data: bytes, limit: int) -> str:
    """The last ``limit`` bytes as text; marks for what is no UTF-8 count as the bytes that they take."""
    return data.decode(errors="replace").encode()[-limit:].decode(errors="ignore").strip()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
