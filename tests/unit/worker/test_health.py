"""The health check, and the heartbeat file that it reads."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
import trio.testing

from images.worker.health import BEAT_SECONDS, SILENT_SECONDS, STALE_SECONDS, beat, check, last_beat

ROOT = Path(__file__).parents[3]
NOW = 1_000_000.0


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "cloudkon-abc-7"
    path.mkdir()
    return path


def no_silence() -> float:
    return 0.0


def set_beat(scratch: Path, at: float) -> None:
    alive = scratch / "alive"
    alive.touch()
    os.utime(alive, (at, at))


async def test_worker_whose_loop_runs_is_healthy(
    scratch: Path, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat, scratch, no_silence)
        await trio.sleep(BEAT_SECONDS / 2)
        set_beat(scratch, NOW)
        await trio.sleep(BEAT_SECONDS)
        newest = last_beat(tmp_path)
        assert newest is not None
        assert newest[0] > NOW, "the loop did not write it again"
        assert check(tmp_path, newest[0] + BEAT_SECONDS) == ""
        nursery.cancel_scope.cancel()


async def test_worker_whose_calls_all_hang_is_unhealthy_until_one_ends(
    scratch: Path, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    silent = SILENT_SECONDS - 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat, scratch, lambda: silent)
        await trio.sleep(1)
        assert check(tmp_path, time.time()) == ""
        silent = SILENT_SECONDS + 21
        await trio.sleep(BEAT_SECONDS)
        assert check(tmp_path, time.time()) == "calls to AWS hang: none has ended for 201 s"
        silent = 0.0
        await trio.sleep(BEAT_SECONDS)
        assert check(tmp_path, time.time()) == ""
        nursery.cancel_scope.cancel()


def test_worker_whose_loop_is_blocked_is_unhealthy(scratch: Path, tmp_path: Path) -> None:
    set_beat(scratch, NOW)

    assert check(tmp_path, NOW + STALE_SECONDS) == ""
    assert check(tmp_path, NOW + STALE_SECONDS + 10) == "the worker's event loop has been blocked for 40 s"


def test_worker_that_has_not_started_is_unhealthy(tmp_path: Path) -> None:
    assert "has not started yet" in check(tmp_path, NOW)


def test_newest_heartbeat_counts_beside_the_file_of_a_killed_worker(scratch: Path, tmp_path: Path) -> None:
    set_beat(scratch, NOW)
    left = tmp_path / "cloudkon-before-7"
    left.mkdir()
    set_beat(left, NOW - 10 * STALE_SECONDS)

    assert check(tmp_path, NOW + 1) == ""


async def test_missing_scratch_directory_stops_no_worker(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.move_on_after(3 * BEAT_SECONDS) as waited:
        await beat(tmp_path / "gone" / "scratch", no_silence)

    assert waited.cancelled_caught
    assert check(tmp_path, NOW) != ""


@pytest.mark.parametrize(("beats", "code"), [(True, 0), (False, 1)])
def test_exit_code_is_0_for_a_healthy_worker_and_1_otherwise(
    scratch: Path, tmp_path: Path, *, beats: bool, code: int
) -> None:
    if beats:
        (scratch / "alive").touch()

    ended = subprocess.run(
        [sys.executable, "-m", "images.worker.health"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (code, "")
    assert len(ended.stdout.splitlines()) == 1
