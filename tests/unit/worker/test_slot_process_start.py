"""A slot's process that can't be started: the reason is named, nothing is left open, and the next try may succeed."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from images.worker.execution.slot_process import SlotNotStarted, open_slot_process
from tests.unit.worker import slow_handlers


def open_files() -> set[str]:
    return {one.name for one in Path("/proc/self/fd").iterdir()}


def die(main: object, descriptors: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])


def no_process(main: object, descriptors: object) -> "subprocess.Popen[bytes]":
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


def no_thread(main: object, descriptors: object) -> "subprocess.Popen[bytes]":
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (die, "it ended with exit code 3 while it started; see the lines before"),
        (no_process, "BlockingIOError: [Errno 11] Resource temporarily unavailable"),
        (no_thread, "RuntimeError: can't start new thread"),
    ],
    ids=["death", "no process", "no thread"],
)
async def test_process_that_cannot_be_started_is_started_at_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Any], reason: str
) -> None:
    before = open_files()
    context = Context(TaskId("run", 7), 1, "token", 0.0, str(tmp_path), Settings(), Log("error"))
    async with open_slot_process(Settings(), Log("error")) as process:
        with monkeypatch.context() as patched:
            patched.setattr("images.worker.execution.guarded_process.start_interpreter", start)
            with pytest.raises(SlotNotStarted) as caught:
                await process.run(slow_handlers.who, "am i", context)
        assert str(caught.value) == reason
        assert not process.is_running
        assert open_files() == before
        assert (await process.run(slow_handlers.who, "am i", context)).output.endswith("run/7 1 am i")


async def test_process_that_is_not_ready_in_time_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.worker.execution.slot_process.START_SECONDS", 0.01)
    async with open_slot_process(Settings(), Log("error")) as process:
        with pytest.raises(SlotNotStarted, match=r"^it was not ready after 0\.01 s$"):
            await process.warm()
