"""The health check, and the beat that it looks for."""

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


async def test_a_worker_that_turns_is_healthy(
    scratch: Path, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat, scratch, no_silence)
        await trio.sleep(BEAT_SECONDS / 2)
        set_beat(scratch, NOW)
        await trio.sleep(BEAT_SECONDS)
        found = last_beat(tmp_path)
        assert found is not None
        assert found[0] > NOW, "the loop has not written it again"
        assert check(tmp_path, found[0] + BEAT_SECONDS) == ""
        nursery.cancel_scope.cancel()


async def test_a_pipeline_whose_calls_all_hang_is_not_healthy_until_one_ends(
    scratch: Path, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    silent = SILENT_SECONDS - 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat, scratch, lambda: silent)
        await trio.sleep(1)
        assert check(tmp_path, time.time()) == ""
        silent = SILENT_SECONDS + 21
        await trio.sleep(BEAT_SECONDS)
        assert check(tmp_path, time.time()) == "no call to AWS has ended for 201 s, though some are under way"
        silent = 0.0
        await trio.sleep(BEAT_SECONDS)
        assert check(tmp_path, time.time()) == ""
        nursery.cancel_scope.cancel()


def test_a_loop_that_is_stuck_is_not(scratch: Path, tmp_path: Path) -> None:
    set_beat(scratch, NOW)

    assert check(tmp_path, NOW + STALE_SECONDS) == ""
    assert check(tmp_path, NOW + STALE_SECONDS + 10) == "the worker's loop has not turned for 40 s"


def test_a_worker_that_has_not_started_is_not(tmp_path: Path) -> None:
    assert "has not started yet" in check(tmp_path, NOW)


def test_the_newest_beat_counts_beside_what_a_killed_worker_left(scratch: Path, tmp_path: Path) -> None:
    set_beat(scratch, NOW)
    left = tmp_path / "cloudkon-before-7"
    left.mkdir()
    set_beat(left, NOW - 10 * STALE_SECONDS)

    assert check(tmp_path, NOW + 1) == ""


async def test_a_directory_that_is_gone_stops_no_worker(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(3 * BEAT_SECONDS) as waited:
        await beat(tmp_path / "gone" / "scratch", no_silence)

    assert waited.cancelled_caught
    assert check(tmp_path, NOW) != ""


@pytest.mark.parametrize(("beats", "code"), [(True, 0), (False, 1)])
def test_the_program_says_it_by_its_exit_code(scratch: Path, tmp_path: Path, *, beats: bool, code: int) -> None:
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
