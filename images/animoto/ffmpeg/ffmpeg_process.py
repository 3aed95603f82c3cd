"""Ffmpeg: one process of it, kept on a short lead.

It gets no secrets (an empty environment), no keyboard, no network (each caller says ``protocol_whitelist``), a group of
its own that can be killed as a whole, limits that the kernel keeps, and it dies with its parent.
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

from ..concurrency.ungrouped import ungrouped
from .memory_allocation import LARGE_BLOCK
from .stall_guard import StallGuard

PROTOCOLS = "file,pipe"
"""What ffmpeg may open: a playlist could otherwise make it reach into the network."""
_TAIL = 2000
"""Bytes of standard error that are kept."""
_PIPE = 1024 * 1024
"""Bytes on their way. By default they are 64 KiB, for each of which both sides are woken: a hundred times a picture."""
_ENVIRONMENT = {"LC_ALL": "C", "MALLOC_MMAP_THRESHOLD_": str(LARGE_BLOCK)}
"""All that it gets of one. The second is glibc's: what ``allocation`` is for here, and worth 20 MB there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the kernel lets one process have. They are nets below the deadline, for when nobody watches any more."""

    cpu_seconds: int = 6 * 3600
    file_bytes: int = 16 * 1024**3
    memory_bytes: int = 8 * 1024**3
    """Address space; x264 at 4096 x 4096 takes 2.5 GB of it."""


DEFAULT_BOUNDS = Bounds()


class FfmpegFailed(CloudKonError):
    """It ended with an error, or was killed."""


async def run_ffmpeg(
    arguments: Sequence[str],
    *,
    directory: Path,
    feed: AsyncIterable[bytes | memoryview] | None = None,
    on_output: Callable[[bytes], Awaitable[None]] | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> None:
    """Run ``ffmpeg ARGUMENTS`` to its end, or raise ``FfmpegFailed`` with the last that it said, also where it hangs.

    ``feed`` goes to its standard input; each piece of its standard output goes to ``on_output``, for which ffmpeg waits. It
    runs in ``directory``. Cancelling this kills it, and so does an error in ``feed`` or ``on_output``, which goes up.
    """
    process = _start(arguments, directory)
    tail = bytearray()
    try:
        _limit(process.pid, bounds)
        status = await ungrouped(partial(_run_to_end, process, feed, on_output, tail))
    finally:
        _end(process)
    if status:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise _failed(how, tail)


def _failed(how: str, tail: bytearray) -> FfmpegFailed:
    return FfmpegFailed(f"ffmpeg {how}: {tail.decode(errors='replace').strip() or 'it said nothing'}")


def _start(arguments: Sequence[str], directory: Path) -> "subprocess.Popen[bytes]":
    """Start it from this very thread.

    The kernel's "parent" is the thread: started in a worker thread, as trio's own ``run_process`` does, it would be
    killed when trio lets that thread go.
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
    """What makes the kernel kill it with its parent, where there is such a thing (util-linux, and not busybox).

    Elsewhere the end of its standard input ends it, if only when it has encoded what it got.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    options = subprocess.run([setpriv, "--help"], check=False, capture_output=True).stdout  # noqa: S603  (found on PATH)
    return (setpriv, "--pdeathsig", "KILL") if b"--pdeathsig" in options else ()


def _limit(pid: int, bounds: Bounds) -> None:
    """Limit it from outside, on Linux: code between fork and exec is not safe in a program with threads."""
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
            # It has ended already, and its status will say how; or a sandbox forbids it, and has limits of its own.
            return


async def _run_to_end(
    process: "subprocess.Popen[bytes]",
    feed: AsyncIterable[bytes | memoryview] | None,
    on_output: Callable[[bytes], Awaitable[None]] | None,
    tail: bytearray,
) -> int:
    """See it to its end, and give its status; the end of its standard error goes to ``tail``."""
    stall_guard = StallGuard(process.pid)

    async def fail_when_stalled() -> None:
        seconds = await stall_guard.wait()
        raise _failed(f"stood still for {seconds:g} s, perhaps because memory ran out", tail)

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
    """Talk with it until it says no more."""
    # Each pipe becomes a stream of its own before the first await, so that all are closed whatever happens.
    stdin, stdout, stderr = (_stream(pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    async with stdin, stdout, stderr, trio.open_nursery() as nursery:

        async def keep_tail() -> None:
            async for data in stderr:
                tail.extend(data)
                del tail[:-_TAIL]
            # It has ended: nobody will take what the feed may still be waiting for.
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
                del data  # a picture, that would stay until the next is there
        except trio.BrokenResourceError:
            # It has ended early: its status and its last words say why.
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
    with suppress(OSError, AttributeError):  # beyond what its user may have, or on another system
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    stream = trio.lowlevel.FdStream(os.dup(pipe.fileno()))
    pipe.close()
    return stream


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of its group. Waiting blocks for the few milliseconds in which the kernel clears it away."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
