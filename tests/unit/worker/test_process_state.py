"""A slot's process after a task: set back, or replaced, so that the next task finds what the first one found."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from images.worker.execution.slot_process import SlotDied, SlotProcess, open_slot_process
from tests.support.memory_fleet import until
from tests.support.patience import PATIENCE
from tests.unit.worker import slow_handlers, untidy_handlers
from tests.unit.worker.test_exec_handler import alive, number_in, wait_gone


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(TaskId("run", 7), 1, "token", 0.0, str(tmp_path / "scratch"), Settings(), Log("error"))


@asynccontextmanager
async def slot(settings: Settings | None = None) -> AsyncIterator[SlotProcess]:
    with trio.fail_after(PATIENCE):
        async with open_slot_process(settings or Settings(), Log("error")) as process:
            yield process


async def state(process: SlotProcess, context: Context) -> tuple[int, dict[str, Any]]:
    outcome = await process.run(untidy_handlers.show, "", context)
    assert not outcome.error
    pid, found = json.loads(outcome.output)
    return pid, found


async def test_what_a_task_changes_is_set_back_in_the_same_process(context: Context) -> None:
    async with slot() as process:
        first = await state(process, context)
        found = {}
        for name in untidy_handlers.SET_BACK:
            outcome = await process.run(untidy_handlers.leave, name, context)
            assert (name, outcome.error) == (name, "")
            found[name] = await state(process, context)
        assert found == dict.fromkeys(untidy_handlers.SET_BACK, first)


@pytest.mark.parametrize("name", [*untidy_handlers.REPLACED, *untidy_handlers.EITHER])
async def test_process_that_cannot_be_set_back_is_replaced(context: Context, name: str) -> None:
    async with slot() as process:
        pid, first = await state(process, context)
        outcome = await process.run(untidy_handlers.leave, name, context)
        assert (outcome.output, outcome.error) == (str(pid), "")
        other, then = await state(process, context)
        assert then == first
        assert other != pid or name in untidy_handlers.EITHER


async def test_process_is_replaced_after_the_number_of_tasks_in_the_setting(context: Context) -> None:
    async with slot(Settings(tasks_per_process=2)) as process:
        pids = [(await process.run(slow_handlers.who, "", context)).output.split()[0] for _ in range(5)]
    assert pids[0] == pids[1]
    assert pids[2] == pids[3]
    assert len({*pids}) == 3


async def test_standard_input_is_empty(context: Context) -> None:
    async with slot() as process:
        assert (await process.run(untidy_handlers.read_input, "", context)).output == ""


async def test_what_a_handler_printed_is_there_when_its_process_is_killed(
    context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    async with slot() as process:
        with pytest.raises(SlotDied):
            await process.run(untidy_handlers.print_and_die, "last words", context)
    assert "last words" in capfd.readouterr().out


@pytest.mark.parametrize("then", ["crash", "return"])
async def test_process_in_a_session_of_its_own_ends_with_the_task(context: Context, tmp_path: Path, then: str) -> None:
    note = tmp_path / "pid"
    async with slot() as process:
        if then == "crash":
            with pytest.raises(SlotDied):
                await process.run(untidy_handlers.daemon, f"{note} {then}", context)
        else:
            await process.run(untidy_handlers.daemon, f"{note} {then}", context)
        assert not alive(number_in(note))


@pytest.mark.parametrize("then", ["wait", "stop-guard", "stop-guard-again"])
async def test_process_in_a_session_of_its_own_ends_with_a_cancelled_task(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    if then == "stop-guard-again":
        monkeypatch.setattr("images.worker.execution.guarded_process.KILL_SECONDS", 0.5)
    note = tmp_path / "pid"
    async with slot() as process:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(process.run, untidy_handlers.daemon, f"{note} {then}", context)
            await until(lambda: number_in(note), within=PATIENCE, step=0.02)
            nursery.cancel_scope.cancel()
        await wait_gone(number_in(note))
