"""A process that stalls is detected, and no other one is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from images.animoto.ffmpeg import ffmpeg_process as ffmpeg
from images.animoto.ffmpeg import stall_guard
from images.animoto.ffmpeg.ffmpeg_process import FfmpegFailed, run_ffmpeg
from images.animoto.ffmpeg.stall_guard import CHECK_SECONDS, MOST_IDLE_CHECKS, StallGuard
from tests.support.films import processes_at
from tests.support.patience import PATIENCE


class Program:
    """A process as ``/proc`` shows it."""

    def __init__(self, directory: Path) -> None:
        self.taken = 0
        self._file = directory / "stat"
        self.stall_guard = StallGuard(1)
        self.stall_guard._stat = self._file
        self.show()

    def show(self, state: str = "S") -> None:
        before = " ".join(["0"] * 10)
        self._file.write_text(f"7 (a) b ({state}) {state} {before} {self.taken} 3 0 0 20 0 1 0")

    def end(self) -> None:
        self._file.unlink()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


async def noticed(program: Program, within: float) -> float:
    """Return for how long it was idle; 0 if no stall was detected."""
    with trio.move_on_after(within):
        return await program.stall_guard.wait()
    return 0


async def test_idle_process_is_detected_after_a_minute(
    program: Program, autojump_clock: trio.testing.MockClock
) -> None:
    assert await noticed(program, 3600) == CHECK_SECONDS * MOST_IDLE_CHECKS == 60
    assert autojump_clock.current_time() <= 60 + 2 * CHECK_SECONDS


async def test_slow_process_is_not_a_stall(program: Program, autojump_clock: trio.testing.MockClock) -> None:
    async def work() -> None:
        while True:
            await trio.sleep(CHECK_SECONDS * (MOST_IDLE_CHECKS - 1))
            program.taken += 1
            program.show()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        assert await noticed(program, 3600) == 0
        nursery.cancel_scope.cancel()


async def test_process_that_waits_for_us_is_not_a_stall(
    program: Program, autojump_clock: trio.testing.MockClock
) -> None:
    with program.stall_guard.paused():
        assert await noticed(program, 3600) == 0

    async def give() -> None:
        while True:
            await trio.sleep(CHECK_SECONDS * (MOST_IDLE_CHECKS - 1))
            with program.stall_guard.paused():
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(give)
        assert await noticed(program, 3600) == 0
        nursery.cancel_scope.cancel()


async def test_ended_process_is_not_a_stall(program: Program, autojump_clock: trio.testing.MockClock) -> None:
    program.show("Z")
    assert await noticed(program, 3600) == 0
    program.end()
    assert await noticed(program, 3600) == 0


def hang_at_once(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    """Use a script in place of ffmpeg, and detect stalls quickly."""
    program = directory / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    monkeypatch.setattr(stall_guard, "CHECK_SECONDS", 0.05)


@pytest.mark.parametrize("script", ["echo so far, so good >&2; exec sleep 1000", "exec >&- 2>&-; exec sleep 1000"])
async def test_hanging_ffmpeg_is_killed_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """It is killed whether its pipes are still open or not."""
    hang_at_once(monkeypatch, tmp_path, script)

    async def pictures() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(1_000_000)

    with (
        trio.fail_after(PATIENCE),
        pytest.raises(FfmpegFailed, match=r"made no progress for .*(so good|without a message)"),
    ):
        await run_ffmpeg([], directory=tmp_path, feed=pictures())
    assert processes_at(tmp_path) == []


async def test_ffmpeg_that_waits_for_pictures_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang_at_once(monkeypatch, tmp_path, "exec cat")
    given = bytearray()

    async def pictures() -> AsyncIterator[bytes]:
        await trio.sleep(0.05 * MOST_IDLE_CHECKS * 3)
        yield b"picture"

    async def on_output(piece: bytes) -> None:
        await trio.sleep(0.05 * MOST_IDLE_CHECKS * 3)
        given.extend(piece)

    await run_ffmpeg([], directory=tmp_path, feed=pictures(), on_output=on_output)
    assert given == b"picture"
