"""Progress that handlers report is logged."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from images.worker.execution.progress_log import ProgressWatch
from tests.support.memory_fleet import Fleet

REPORT: Final = {"run": "r", "task": "r/8", "attempt": 1, "fraction": 0.5, "note": "forged"}


def context(scratch: Path, seq: int = 7) -> Context:
    return Context(TaskId("r", seq), 2, "token", 0.0, str(scratch / str(seq)), Settings(), Log())


def test_progress_is_logged_with_its_task_and_only_when_it_is_new(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    watch = ProgressWatch(tmp_path, Log())
    context(tmp_path).progress(0.5, "half the pictures")
    watch.log_new()
    watch.log_new()
    logged = capfd.readouterr().err
    assert logged.count("\n") == 1
    for part in ('"action": "progress"', '"task": "r/7"', '"attempt": 2', '"fraction": 0.5', "half the pictures"):
        assert part in logged
    context(tmp_path).progress(1.0)
    watch.log_new()
    assert '"fraction": 1.0' in capfd.readouterr().err


def test_task_without_progress_is_not_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    context(tmp_path).scratch_directory()
    ProgressWatch(tmp_path, Log()).log_new()
    assert not capfd.readouterr().err


def link_to_a_report(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_text(json.dumps(REPORT))
    path.symlink_to(elsewhere)


def link_in_the_place_of_the_directory(path: Path) -> None:
    elsewhere = path.parent.parent.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / path.name).write_text(json.dumps(REPORT))
    path.parent.rmdir()
    path.parent.symlink_to(elsewhere)


LEFT: Final[dict[str, Callable[[Path], object]]] = {
    "words": lambda path: path.write_text("50 %"),
    "list": lambda path: path.write_text("[1,2]"),
    "number": lambda path: path.write_text("1"),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe"),
    "nothing": lambda path: path.touch(),
    "nested": lambda path: path.write_text("[" * 4000),
    "huge": lambda path: path.write_text(json.dumps(REPORT | {"note": "x" * 1_000_000})),
    "names of the log": lambda path: path.write_text(json.dumps({"action": "ended", "level": "error", "self": 1})),
    "infinite": lambda path: path.write_text(json.dumps(REPORT | {"fraction": float("inf")})),
    "number of 400 digits": lambda path: path.write_text(json.dumps(REPORT | {"fraction": 10**400})),
    "attempt of 400 digits": lambda path: path.write_text(json.dumps(REPORT | {"attempt": 10**400})),
    "wrong types": lambda path: path.write_text(json.dumps(REPORT | {"note": ["x"]})),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "link to itself": lambda path: path.symlink_to(path),
    "link to a report": link_to_a_report,
    "link in the place of the directory": link_in_the_place_of_the_directory,
}


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
def test_other_things_by_the_name_are_ignored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], leave: Callable[[Path], object]
) -> None:
    scratch = tmp_path / "scratch"
    leave(context(scratch, 8).scratch_directory() / "progress.json")
    context(scratch).progress(0.5, "beside it")
    ProgressWatch(scratch, Log()).log_new()
    logged = capfd.readouterr().err
    assert logged.count("\n") == 1
    assert "beside it" in logged


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
async def test_task_that_leaves_them_harms_neither_its_worker_nor_itself(
    fleet: Fleet, autojump_clock: MockClock, leave: Callable[[Path], object]
) -> None:
    async def work(arguments: str, context: Context) -> str:
        leave(context.scratch_directory() / "progress.json")
        await trio.sleep(100)
        return "done"

    run = await fleet.push("work")
    with trio.fail_after(1000):
        await fleet.worker(handlers={"work": work}, until_empty=True, lease_seconds=9).run()
    (result,) = (await fleet.finish(run)).values()
    assert (result.output, result.attempts) == ("done", 1)
