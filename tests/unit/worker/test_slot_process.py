"""Synchronous handlers in slot processes, on the real clock: they can be killed, and the worker always goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import Result, Run, TaskId, TaskState
from cloudkon.settings import Settings
from images.worker.execution.outcome import HandlerOutcome
from images.worker.execution.slot_process import open_slot_process
from images.worker.pipeline.worker import Worker
from tests.support import patience
from tests.support.memory_fleet import Fleet, until
from tests.support.patience import PATIENCE
from tests.unit.worker import slow_handlers
from tests.unit.worker.test_exec_handler import wait_gone

TIMEOUT = 30
"""Seconds. It is shorter than a lease, so a jump of the clock over it loses no claim."""
HANDLERS = {name: getattr(slow_handlers, name) for name in dir(slow_handlers) if callable(getattr(slow_handlers, name))}


@pytest.fixture
def clock() -> MockClock:
    """A clock that goes as fast as the real one, and can jump besides."""
    return MockClock(rate=1.0)


@asynccontextmanager
async def serving(fleet: Fleet, **settings: Any) -> AsyncIterator[Worker]:  # noqa: ANN401  (any setting)
    """Run a worker with these handlers for the block."""
    defaults = {"poll_seconds": 0, "retry_seconds": 0, "max_attempts": 2}
    worker = fleet.worker(handlers=HANDLERS, **{**defaults, **settings})
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            scope = fleet.start(nursery, worker)
            yield worker
            scope.cancel()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def has_two_pids(note: Path) -> bool:
    return note.exists() and len(note.read_text().split()) == 2


async def finish(fleet: Fleet, run: Run) -> dict[int, Result]:
    await until(lambda: fleet._ended(run), step=0.02)
    return await fleet.finish(run)


async def test_handler_failure_ends_only_its_own_attempt(fleet: Fleet) -> None:
    instructions = {
        "who am i": (TaskState.SUCCEEDED, 1, "run/0 1 am i"),
        "give_nothing": (TaskState.SUCCEEDED, 1, ""),
        "fail": (TaskState.FAILED, 2, "ValueError: bad luck"),
        "fail_for_good": (TaskState.FAILED, 1, "never"),
        "fail_oddly": (TaskState.FAILED, 2, "Picky: one"),
        "leave": (TaskState.FAILED, 2, "SystemExit: 5"),
        "interrupt": (TaskState.FAILED, 2, "KeyboardInterrupt"),
        "return_a_function": (TaskState.FAILED, 1, "the handler gave function, not a string"),
        "crash": (TaskState.FAILED, 2, "the handler's process ended by SIGSEGV (a crash, or out of memory)"),
        "crash_by 40": (TaskState.FAILED, 2, "the handler's process ended by SIGRTMIN+6 (a crash, or out of memory)"),
        "quit_silently": (TaskState.FAILED, 2, "the handler's process ended with exit code 0"),
        "crash_once": (TaskState.SUCCEEDED, 2, "at last"),
        "wait 0.01": (TaskState.SUCCEEDED, 1, "waited"),
    }
    run = await fleet.push(*instructions)
    async with serving(fleet):
        results = await finish(fleet, run)
    for seq, (instruction, (state, attempts, text)) in enumerate(instructions.items()):
        result = results[seq]
        assert (instruction, result.state, result.attempts) == (instruction, state, attempts)
        assert text in result.output + result.error


async def test_forked_process_answers_for_no_other_task(fleet: Fleet) -> None:
    run = await fleet.push("fork_and_return", "who 1", "fork_and_leave", "who 3", "fork_and_fail", "who 5")
    async with serving(fleet):
        results = await finish(fleet, run)
    assert [results[seq].output for seq in (0, 2, 4)] == ["parent", "7", "1"]
    for seq in (1, 3, 5):
        assert results[seq].output.endswith(f"run/{seq} 1 {seq}")


@pytest.mark.parametrize("has_pidfd", [True, False], ids=["pidfd", "no pidfd"])
async def test_crash_is_noticed_even_if_a_forked_process_lives_on(
    fleet: Fleet, tmp_path: Path, has_pidfd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_pidfd:
        monkeypatch.delattr("os.pidfd_open", raising=False)
    note = tmp_path / "pid"
    run = await fleet.push(f"fork_and_crash {note}", "who")
    async with serving(fleet, max_attempts=1):
        results = await finish(fleet, run)
    assert "process ended by SIGKILL" in results[0].error
    assert results[1].state is TaskState.SUCCEEDED
    await wait_gone(int(note.read_text()))


async def test_handler_may_use_multiprocessing(fleet: Fleet) -> None:
    run = await fleet.push("use_a_pool one three")
    async with serving(fleet):
        results = await finish(fleet, run)
    assert (results[0].error, results[0].output) == ("", "8")


async def test_slot_process_imports_only_what_handlers_need(fleet: Fleet) -> None:
    run = await fleet.push("loaded trio boto3 cloudkon.handler")
    async with serving(fleet):
        results = await finish(fleet, run)
    assert results[0].output == "cloudkon.handler"


async def test_messages_larger_than_a_pipe_buffer_arrive_whole(fleet: Fleet, tmp_path: Path) -> None:
    text = "frame " * 700_000
    context = Context(TaskId("run", 7), 1, "token", 0.0, str(tmp_path), Settings(), Log("error"))
    with trio.fail_after(PATIENCE):
        async with open_slot_process(Settings(), Log("error")) as process:
            assert await process.run(slow_handlers.echo, text, context) == HandlerOutcome(text)
            assert await process.run(slow_handlers.echo, "short", context) == HandlerOutcome("short")


async def test_handler_that_another_process_cannot_import_fails_with_the_reason(fleet: Fleet) -> None:
    def inner(arguments: str, context: Context) -> str:
        return arguments

    run = await fleet.push("inner", "who")
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            worker = fleet.worker(handlers={**HANDLERS, "inner": inner}, poll_seconds=0, max_attempts=3)
            scope = fleet.start(nursery, worker)
            results = await finish(fleet, run)
            scope.cancel()
    assert results[0].error.startswith("another process can't find the handler; is it at a module's top?")
    assert ("inner" in results[0].error, results[0].attempts) == (True, 1)
    assert results[1].state is TaskState.SUCCEEDED


@pytest.mark.parametrize("leaves", ["leave_a_thread", "leave_a_child"])
async def test_leftover_thread_or_child_ends_with_the_worker(fleet: Fleet, leaves: str) -> None:
    run = await fleet.push(leaves, "who")
    async with serving(fleet) as worker:
        results = await finish(fleet, run)
        worker.stop()
    assert results[1].state is TaskState.SUCCEEDED
    await wait_gone(int(results[0].output))


async def test_process_that_died_while_idle_is_replaced(fleet: Fleet, tmp_path: Path, clock: MockClock) -> None:
    note = tmp_path / "pids"
    first = await fleet.push("who", run="first")
    async with serving(fleet, task_timeout_seconds=TIMEOUT, max_attempts=1):
        results = await finish(fleet, first)
        idle = int(results[0].output.split()[0])
        guard = parent_of(idle)
        os.kill(idle, signal.SIGKILL)
        # Until its guard has ended too, the process counts as running, and the task would pay for its death.
        await wait_gone(guard)
        second = await fleet.push(f"wait_with_child {note}", "who", run="second")
        await until(lambda: has_two_pids(note))
        clock.jump(TIMEOUT)
        results = await finish(fleet, second)
        assert results[0].error == "timed out after 30 s"
        assert (results[1].state, results[1].attempts) == (TaskState.SUCCEEDED, 1)
        for pid in note.read_text().split():
            await wait_gone(int(pid))


async def test_slot_keeps_its_process_from_task_to_task(fleet: Fleet) -> None:
    run = await fleet.push(*["who"] * 6)
    async with serving(fleet):
        results = await finish(fleet, run)
    pids = {one.output.split()[0] for one in results.values()}
    assert len(pids) == 1
    assert str(os.getpid()) not in pids
    await wait_gone(int(pids.pop()))


async def test_slots_run_in_parallel(fleet: Fleet, tmp_path: Path) -> None:
    run = await fleet.push(*[f"meet 4 {tmp_path / 'here'}"] * 4)
    async with serving(fleet, slots=4):
        results = await finish(fleet, run)
    assert [one.output for one in results.values()] == ["met"] * 4


async def test_time_out_kills_the_process_and_its_children(fleet: Fleet, tmp_path: Path, clock: MockClock) -> None:
    note = tmp_path / "pids"
    run = await fleet.push(f"wait_with_child {note}", "who")
    async with serving(fleet, task_timeout_seconds=TIMEOUT, max_attempts=1):
        await until(lambda: has_two_pids(note))
        clock.jump(TIMEOUT)
        results = await finish(fleet, run)
    assert results[0].error == "timed out after 30 s"
    assert results[1].state is TaskState.SUCCEEDED
    for pid in note.read_text().split():
        await wait_gone(int(pid))


async def test_cancelled_run_kills_the_process_and_its_children(fleet: Fleet, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    run = await fleet.push(f"wait_with_child {note}")
    async with serving(fleet, cancel_poll_seconds=0.1):
        await until(lambda: has_two_pids(note))
        await fleet.ledger.cancel_run(run.id)
        results = await finish(fleet, run)
    assert results[0].state is TaskState.CANCELLED
    for pid in note.read_text().split():
        await wait_gone(int(pid))


async def test_drain_kills_the_process_and_its_children(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The task is killed almost at once, and on a busy machine it may take long until all has ended and is released.
    monkeypatch.setattr("images.worker.pipeline.worker._FLUSH_SHARE", 0.999)
    monkeypatch.setattr("images.worker.pipeline.worker._MOST_FLUSH_SECONDS", PATIENCE)
    note = tmp_path / "pids"
    run = await fleet.push(f"wait_with_child {note}")
    async with serving(fleet, stop_seconds=PATIENCE) as worker:
        await until(lambda: has_two_pids(note))
        worker.stop()
        await until(lambda: released(fleet, run), step=0.02)
    for pid in note.read_text().split():
        await wait_gone(int(pid))


async def released(fleet: Fleet, run: Run) -> bool:
    return (await fleet.record(run)).released and (await fleet.queue.depth()).visible == 1


async def test_handler_that_holds_the_gil_stops_no_heartbeat(fleet: Fleet, tmp_path: Path, clock: MockClock) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    run = await fleet.push(f"hold_the_gil {pipe}")
    async with serving(fleet, lease_seconds=20, skew_seconds=0.5):
        writer = await trio.to_thread.run_sync(os.open, pipe, os.O_WRONLY)
        for _ in range(20):
            clock.jump(2)
            await trio.sleep(0.01)
        os.write(writer, b"x")
        os.close(writer)
        results = await finish(fleet, run)
    assert (results[0].output, results[0].attempts) == ("held", 1)
    assert (await fleet.record(run)).attempt == 1


async def test_scratch_directory_and_log_work_in_the_slot_process(
    fleet: Fleet, capfd: pytest.CaptureFixture[str]
) -> None:
    run = await fleet.push("fill_scratch hello")
    async with serving(fleet):
        results = await finish(fleet, run)
    assert results[0].output.startswith(str(fleet.scratch))
    assert not list(fleet.scratch.iterdir())


async def test_process_outlives_the_thread_that_started_it(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    # Trio ends threads that were idle for ten seconds; the kernel's death signal would be sent then.
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.1)
    run = await fleet.push("wait 0.5")
    async with serving(fleet):
        results = await finish(fleet, run)
    assert (results[0].output, results[0].attempts) == ("waited", 1)


def test_process_and_its_children_die_with_the_worker(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    program = tmp_path / "program.py"
    program.write_text(f"""
import trio
from pathlib import Path
from typing import Any
from tests.support.memory_fleet import Fleet
from tests.unit.worker.test_slot_process import serving

async def main():
    fleet = Fleet(Path({str(tmp_path)!r}))
    await fleet.push("wait_with_child {note}")
    async with serving(fleet):
        await trio.sleep_forever()

if __name__ == "__main__":
    trio.run(main)
""")
    root = Path(slow_handlers.__file__).parents[3]
    worker = subprocess.Popen([sys.executable, program], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        patience.until(lambda: has_two_pids(note))
    finally:
        worker.kill()
        worker.wait()
    for pid in note.read_text().split():
        trio.run(wait_gone, int(pid))
