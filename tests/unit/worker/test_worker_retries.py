"""Errors of handlers: retried with backoff, or failed without a retry; the worker always goes on."""

import asyncio
import sys
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import CloudKonError, InvalidInstruction, PermanentFailure
from cloudkon.handler import Context
from cloudkon.model import Result, TaskState
from tests.support.memory_fleet import Fleet


class TextlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


async def raise_plain(arguments: str, context: Context) -> None:
    raise ValueError("bad luck")


async def raise_permanent(arguments: str, context: Context) -> None:
    raise PermanentFailure("it is not there and never will be")


async def raise_permanent_without_text(arguments: str, context: Context) -> None:
    raise PermanentFailure


async def raise_invalid(arguments: str, context: Context) -> None:
    raise InvalidInstruction("resize", "no such picture", "Name one that exists")


async def raise_ours(arguments: str, context: Context) -> None:
    raise CloudKonError("the picture server is down")


async def raise_without_text(arguments: str, context: Context) -> None:
    raise TextlessError


async def exit_process(arguments: str, context: Context) -> None:
    sys.exit(7)


async def raise_in_nursery(arguments: str, context: Context) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(raise_permanent, arguments, context)
        nursery.start_soon(trio.sleep_forever)


async def return_number(arguments: str, context: Context) -> int:
    return 42


async def return_lone_surrogate(arguments: str, context: Context) -> str:
    return "file\udcff"


async def own_timeout(arguments: str, context: Context) -> None:
    with trio.fail_after(1):
        await trio.sleep(2)


async def raise_foreign_cancellation(arguments: str, context: Context) -> None:
    raise asyncio.CancelledError


async def raise_interrupt(arguments: str, context: Context) -> None:
    raise KeyboardInterrupt


async def raise_generator_exit(arguments: str, context: Context) -> None:
    raise GeneratorExit


async def raise_old_cancellation(arguments: str, context: Context) -> None:
    """Raise trio's own exception, although nobody cancelled this task."""
    caught: BaseException | None = None
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            caught = cancelled
    assert caught
    raise caught


async def run_one(fleet: Fleet, handler: object, **settings: Any) -> Result:  # noqa: ANN401  (any setting)
    run = await fleet.push("task", "work 1")
    handlers = fleet.work.handlers(task=handler)  # type: ignore[arg-type]  # some have the wrong type on purpose
    await fleet.worker(handlers=handlers, until_empty=True, **settings).run()
    results = await fleet.finish(run, within=0.1)
    assert results[1].state is TaskState.SUCCEEDED, "the other task was affected"
    return results[0]


@pytest.mark.parametrize(
    ("handler", "attempts", "error"),
    [
        (raise_plain, 3, "ValueError: bad luck"),
        (raise_ours, 3, "the picture server is down"),
        (raise_permanent, 1, "it is not there and never will be"),
        (raise_permanent_without_text, 1, "PermanentFailure"),
        (raise_invalid, 1, "resize: no such picture. Name one that exists"),
        (raise_in_nursery, 1, "it is not there and never will be"),
        (raise_without_text, 3, "TextlessError"),
        (exit_process, 3, "SystemExit: 7"),
        (raise_foreign_cancellation, 3, "CancelledError: "),
        (raise_interrupt, 3, "KeyboardInterrupt: "),
        (raise_generator_exit, 3, "GeneratorExit: "),
        (raise_old_cancellation, 3, "Cancelled: "),
        (return_number, 1, "the handler gave int, not a string"),
        (own_timeout, 3, "TooSlowError: "),
    ],
)
async def test_handler_error_is_recorded_and_retried_unless_permanent(
    fleet: Fleet, autojump_clock: MockClock, handler: object, attempts: int, error: str
) -> None:
    result = await run_one(fleet, handler)
    assert (result.state, result.attempts) == (TaskState.FAILED, attempts)
    assert result.error == error or (error.startswith("Cancelled") and result.error.startswith(error))
    assert result.output == ""


async def test_output_with_lone_surrogates_is_made_encodable(fleet: Fleet, autojump_clock: MockClock) -> None:
    result = await run_one(fleet, return_lone_surrogate)
    assert (result.state, result.output) == (TaskState.SUCCEEDED, "file?")


async def test_attempts_are_spaced_out(fleet: Fleet, autojump_clock: MockClock) -> None:
    times: list[float] = []

    async def note(arguments: str, context: Context) -> None:
        times.append(trio.current_time())
        raise ValueError

    result = await run_one(fleet, note, max_attempts=4, retry_seconds=10)
    waits = [after - before for before, after in pairwise(times)]
    assert result.attempts == 4
    for wait, longest in zip(waits, (10, 20, 40), strict=True):
        assert longest / 2 <= wait <= longest + 0.1


async def test_other_tasks_run_while_one_waits_for_its_next_attempt(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail_once(arguments: str, context: Context) -> str:
        if context.attempt == 1:
            raise ValueError
        return "at last"

    run = await fleet.push("task", *["work 1"] * 20, chunk=3)
    handlers = fleet.work.handlers(task=fail_once)
    begun = trio.current_time()
    await fleet.worker(handlers=handlers, until_empty=True, retry_seconds=15).run()
    assert trio.current_time() - begun < 30
    results = await fleet.finish(run, within=0.1)
    assert (results[0].output, results[0].attempts) == ("at last", 2)


async def test_task_that_times_out_is_stopped_and_tried_again(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 100", "work 1")
    await fleet.worker(until_empty=True, task_timeout_seconds=20, max_attempts=2).run()
    results = await fleet.finish(run, within=0.1)
    assert (results[0].state, results[0].attempts, results[0].error) == (TaskState.FAILED, 2, "timed out after 20 s")
    assert results[0].seconds == pytest.approx(20, abs=0.01)
    assert fleet.work.starts[0] == 2
    assert results[1].state is TaskState.SUCCEEDED


async def test_handlers_nursery_that_fails_when_cancelled_ends_no_worker(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("broken pipe")

    async def fragile(arguments: str, context: Context) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    run = await fleet.push("fragile", "fragile", "work 1")
    async with trio.open_nursery() as nursery:
        handlers = fleet.work.handlers(fragile=fragile)
        scope = fleet.start(nursery, fleet.worker(handlers=handlers, slots=2))
        await trio.sleep(10)
        await fleet.ledger.cancel_run(run.id)
        results = await fleet.finish(run)
        scope.cancel()
    assert results[0].state is TaskState.CANCELLED


async def test_handlers_nursery_that_fails_at_its_time_out_fails_the_attempt(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("broken pipe")

    async def fragile(arguments: str, context: Context) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    result = await run_one(fleet, fragile, task_timeout_seconds=5, max_attempts=2)
    assert (result.state, result.attempts) == (TaskState.FAILED, 2)
    assert "broken pipe" in result.error or "timed out" in result.error


async def test_scratch_directories_are_removed_after_failures(fleet: Fleet, autojump_clock: MockClock) -> None:
    seen = []

    async def fill(arguments: str, context: Context) -> None:
        directory = context.scratch_directory()
        assert list(directory.iterdir()) == []
        (directory / "file").write_text("x")
        context.progress(0.5, "half way")
        seen.append(directory)
        raise ValueError

    await run_one(fleet, fill)
    assert len(seen) == 3
    assert list(fleet.scratch.iterdir()) == []
