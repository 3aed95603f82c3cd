"""``up`` waits for the answer to its own request."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from fleet.local.actual_state import ActualState
from fleet.local.processes.process import Process
from fleet.local.start_supervisor import wait_for_answer
from fleet.local.state_dir import StateDir

ACTUAL = ActualState("cloudkon", Process(4_000_000, "never"), 1.0, "http://127.0.0.1:1", ready=True)


@pytest.mark.parametrize("before", [0, 5])
async def test_answer_to_another_request_is_none(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, before: int
) -> None:
    """A higher number is left if the file with the requests was damaged: they are counted from 1 again."""
    state_dir = StateDir(tmp_path)
    state_dir.make()
    lock = state_dir.supervisor_lock
    assert lock.take()
    state_dir.write_actual_state(replace(ACTUAL, answered=before))

    async def answer_later() -> None:
        await trio.sleep(1)
        state_dir.write_actual_state(replace(ACTUAL, answered=1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_later)
        assert (await wait_for_answer(state_dir, 1, None)).answered == 1
    lock.release()
