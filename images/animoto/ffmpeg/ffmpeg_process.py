"""Runs one ffmpeg process in isolation.

The process gets no secrets (an empty environment), no keyboard, no network (each caller sets ``protocol_whitelist``), a
process group that can be killed as a whole, and resource limits of the kernel. It is killed with its parent.
"""

import fcntl
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO

import trio
from imageio_ffmpeg import get_ffmpeg_exe

from cloudkon.errors import CloudKonError
from cloudkon.signal_names import signal_name

from ..concurrency.ungrouped import ungrouped
from .memory_allocation import LARGE_BLOCK
from .stall_guard import StallGuard

PROTOCOLS = "file,pipe"
"""The protocols that ffmpeg may open: a playlist could otherwise make it reach into the network."""
_TAIL = 2000
"""Bytes of standard error that are kept."""
_PIPE = 1024 * 1024
"""Size of pipes in bytes. The default of 64 KiB would wake both sides a hundred times for one picture."""
_ENVIRONMENT = {"LC_ALL": "C", "MALLOC_MMAP_THRESHOLD_": str(LARGE_BLOCK)}
"""The whole environment of ffmpeg. The second variable does for ffmpeg's glibc what ``memory_allocation`` does for
ours, and saves 20 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Resource limits of one process. They apply below the deadline, for the case that no parent watches any more."""

    cpu_seconds: int = 6 * 3600
    file_bytes: int = 16 * 1024**3
    memory_bytes: int = 8 * 1024**3
    """Address space; x264 needs 2.5 GB of it at 4096 x 4096."""


DEFAULT_BOUNDS = Bounds()


class FfmpegFailed(CloudKonError):
    """The process ended with an error, or was killed."""


async def run_ffmpeg(
    arguments: Sequence[str],
    *,
    directory: Path,
    feed: AsyncIterable[bytes | memoryview] | None = None,
    on_output: Callable[[bytes], Awaitable[None]] | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> None:
    """Run ``ffmpeg ARGUMENTS`` to its end. Raise ``FfmpegFailed`` with its last messages if it fails or stalls.

    ``feed`` goes to its standard input; every piece of its standard output goes to ``on_output``, and ffmpeg waits
    until that returns. The process runs in ``directory``. Cancelling kills it, and so does an error of ``feed`` or
    ``on_output``, which propagates.
    """
    process = _start(arguments, directory)
    tail = bytearray()
    try:
        _limit(process.pid, bounds)
        status = await ungrouped(partial(_run_to_end, process, feed, on_output, tail))
    finally:
        _end(process)
    if status:
        how = f"was killed by {signal_name(-status)}" if status < 0 else f"ended with status {status}"
        raise _failed(how, tail)


def _failed(how: str, tail: bytearray) -> FfmpegFailed:
    return FfmpegFailed(f"ffmpeg {how}: {tail.decode(errors='replace').strip() or 'without a message'}")


def _start(arguments: Sequence[str], directory: Path) -> "subprocess.Popen[bytes]":
    """Start the process from this very thread.

    For the kernel, the "parent" is the thread. Started in a worker thread, as trio's own ``run_process`` does, the
    process would be killed when trio lets that thread end.
    """
    return subprocess.Popen(  # noqa: S603  (an absolute path, and arguments that we wrote)
        [*_dying_with_parent(), get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-v", "error", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=directory,
        env=_ENVIRONMENT,
        start_new_session=True,
    )


@cache
def _dying_with_parent() -> tuple[str, ...]:
    """Return the command prefix that makes the kernel kill a process with its parent.

    It is empty without util-linux (busybox lacks the option). There the end of its standard input ends ffmpeg, but only
    after it has encoded what it received.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    options = subprocess.run([setpriv, "--help"], check=False, capture_output=True).stdout  # noqa: S603  (found on PATH)
    return (setpriv, "--pdeathsig", "KILL") if b"--pdeathsig" in options else ()


def _limit(pid: int, bounds: Bounds) -> None:
    """Limit the process from outside, on Linux: code between fork and exec is not safe in a program with threads."""
    if not hasattr(resource, "prlimit"):
        return
    for kind, most in (
        (resource.RLIMIT_CPU, bounds.cpu_seconds),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_AS, bounds.memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            hard = resource.prlimit(pid, kind)[1]
            limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, kind, (limit, limit))
        except (ProcessLookupError, PermissionError):
            # The process has ended already, and its status will say how; or a sandbox with limits of its own forbids
            # this.
            return


async def _run_to_end(
    process: "subprocess.Popen[bytes]",
    feed: AsyncIterable[bytes | memoryview] | None,
    on_output: Callable[[bytes], Awaitable[None]] | None,
    tail: bytearray,
) -> int:
    """Run the process to its end and return its status; the end of its standard error goes to ``tail``."""
    stall_guard = StallGuard(process.pid)

    async def fail_when_stalled() -> None:
        seconds = await stall_guard.wait()
        raise _failed(f"made no progress for {seconds:g} s, perhaps because memory ran out", tail)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail_when_stalled)
        await _exchange(process, feed, on_output, tail, stall_guard)
        status = await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    return status


async def _exchange(
    process: "subprocess.Popen[bytes]",
    feed: AsyncIterable[bytes | memoryview] | None,
    on_output: Callable[[bytes], Awaitable[None]] | None,
    tail: bytearray,
    stall_guard: StallGuard,
) -> None:
    """Write its input and read its outputs until it closes them."""
    # Each pipe becomes a stream of its own before the first await, so that all of them are closed in any case.
    stdin, stdout, stderr = (_stream(pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    async with stdin, stdout, stderr, trio.open_nursery() as nursery:

        async def keep_tail() -> None:
            async for data in stderr:
                tail.extend(data)
                del tail[:-_TAIL]
            # The process has ended and reads nothing more that the feed may wait to send.
            feeding.cancel()

        feeding = trio.CancelScope()
        nursery.start_soon(keep_tail)
        nursery.start_soon(_pass_output, stdout, on_output, stall_guard)
        with feeding:
            await _send_input(stdin, feed, stall_guard)


async def _send_input(
    stdin: trio.abc.SendStream, feed: AsyncIterable[bytes | memoryview] | None, stall_guard: StallGuard
) -> None:
    async with stdin:
        if feed is None:
            return
        following = aiter(feed)
        try:
            while True:
                with stall_guard.paused():
                    data = await anext(following, None)
                if data is None:
                    return
                await stdin.send_all(data)
                del data  # else this picture stays in memory until the next one arrives
        except trio.BrokenResourceError:
            # The process has ended early: its status and its last messages say why.
            return


async def _pass_output(
    stdout: trio.abc.ReceiveStream, on_output: Callable[[bytes], Awaitable[None]] | None, stall_guard: StallGuard
) -> None:
    async for data in stdout:
        if on_output is not None:
            with stall_guard.paused():
                await on_output(bytes(data))


def _stream(pipe: IO[bytes] | None) -> trio.lowlevel.FdStream:
    if pipe is None:
        raise AssertionError("all three are pipes")
    with suppress(OSError, AttributeError):  # more than this user may have, or another system
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    stream = trio.lowlevel.FdStream(os.dup(pipe.fileno()))
    pipe.close()
    return stream


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the process group. Waiting blocks for the few milliseconds of the kernel's clean-up."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
