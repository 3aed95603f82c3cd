"""Careful chunks: whose workers died twice, so that their tasks run alone until the one that kills them is found."""

from collections.abc import Sequence
from contextvars import ContextVar
from itertools import count
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.handler import Context
from cloudkon.model import Depth, Result, Run, TaskState
from cloudkon.ports import Update, Write
from tests.support.fault_injection import Call
from tests.support.memory_fleet import LEASE, RECOVERY, Fleet, until


async def run_with_deaths(fleet: Fleet, run: Run, *, slots: int, workers: int = 1) -> tuple[dict[int, Result], int]:
    """Replace each worker that a ``kill SECONDS`` task ends; return the results and the number of deaths."""
    current: ContextVar[trio.CancelScope] = ContextVar("current")
    deaths = 0

    async def kill(arguments: str, context: Context) -> None:
        fleet.work.starts[context.task.seq] += 1
        await trio.sleep(float(arguments))
        current.get().cancel()
        await trio.sleep_forever()

    async def keep_worker(name: str) -> None:
        nonlocal deaths
        while True:
            with trio.CancelScope() as scope:
                current.set(scope)
                await fleet.worker(f"{name}-{deaths}", fleet.work.handlers(kill=kill), slots=slots).run()
            deaths += 1

    async with trio.open_nursery() as nursery:
        for number in range(workers):
            nursery.start_soon(keep_worker, f"worker-{number}")
        results = await fleet.finish(run)
        nursery.cancel_scope.cancel()
    return results, deaths


async def lose_workers(fleet: Fleet, count: int, **settings: Any) -> None:  # noqa: ANN401  (any setting)
    """Start and kill workers, one after the other: infrastructure that strikes while tasks run."""
    async with trio.open_nursery() as nursery:
        for number in range(count):
            scope = fleet.start(nursery, fleet.worker(f"lost-{number}", **settings))
            await until(lambda: fleet.work.running)
            scope.cancel()
            await trio.sleep(RECOVERY)


async def test_tasks_run_alone_after_two_deaths_each_recorded_before_it_starts(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    suspects: list[tuple[int, int | None]] = []

    async def look(arguments: str, context: Context) -> None:
        chunk = await fleet.record(run, context.task.seq // 2)
        suspects.append((context.task.seq, chunk.progress.suspect))
        await fleet.work.work("10", context)

    run = await fleet.push(*["work 100"] * 4, chunk=2)
    await lose_workers(fleet, 1, slots=4)
    fleet.work.most_running = 0
    await lose_workers(fleet, 1, slots=4)
    assert fleet.work.most_running == 4, "one loss of an instance made the tasks run one by one"
    fleet.work.most_running = 0
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("two", {"work": look}, slots=4))
        await fleet.finish(run)
        scope.cancel()
    assert sorted(suspects) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert fleet.work.most_running == 1


@pytest.mark.parametrize("slots", [2, 4])
@pytest.mark.parametrize("workers", [1, 2])
async def test_task_that_kills_its_worker_fails_and_its_neighbours_do_not(
    fleet: Fleet, autojump_clock: MockClock, slots: int, workers: int
) -> None:
    run = await fleet.push("kill 2", "work 4", "work 4", "work 400", "work 4")
    results, deaths = await run_with_deaths(fleet, run, slots=slots, workers=workers)
    assert "worker lost 3 times" in results[0].error
    assert {seq for seq, result in results.items() if result.state is not TaskState.SUCCEEDED} == {0}
    assert {results[seq].attempts for seq in range(1, 5)} == {1}
    # Twice beside others, which blames no task, and then as the suspect.
    assert fleet.work.starts[0] == deaths == 5


async def test_killers_in_several_chunks_fail_alone(fleet: Fleet, autojump_clock: MockClock) -> None:
    instructions = ["work 1", "kill 1", "work 1"] * 3
    run = await fleet.push(*instructions, chunk=3)
    results, _ = await run_with_deaths(fleet, run, slots=3)
    failed = {seq for seq, result in results.items() if result.state is TaskState.FAILED}
    assert failed == {seq for seq, instruction in enumerate(instructions) if instruction.startswith("kill")}


async def test_chunk_behind_a_careful_one_is_given_to_an_idle_worker(fleet: Fleet, autojump_clock: MockClock) -> None:
    careful = await fleet.push("work 1000", "work 1000", run="careful")
    await lose_workers(fleet, 2, slots=2)
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("first", slots=2))
        await until(lambda: fleet.work.running)
        second = fleet.start(nursery, fleet.worker("second", slots=2))
        await trio.sleep(30)
        assert fleet.work.running == 2, "a careful chunk waits although a worker is idle"
        results = await fleet.finish(careful)
        first.cancel()
        second.cancel()
    assert {result.worker for result in results.values()} == {"first", "second"}


async def test_careful_chunks_share_the_workers_and_do_not_go_around(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 1000"] * 4)
    await lose_workers(fleet, 2, slots=4)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name, slots=4)) for name in ("one", "two")]
        results = await fleet.finish(run)
        for scope in scopes:
            scope.cancel()
    assert trio.current_time() - began < 2 * 1000 + 100, "two workers did not share four careful chunks"
    assert {result.state for result in results.values()} == {TaskState.SUCCEEDED}
    # One claim each for the two deaths and the last worker, and a few for chunks that were given to the other one.
    assert max(record.attempt for record in await fleet.records(run)) <= 6


async def test_next_careful_chunk_stays_while_messages_wait_on_the_queue(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    """No worker is idle then, and the chunk would wait behind all of them."""
    careful = await fleet.push("work 10", run="careful")
    await lose_workers(fleet, 2)
    # The careful chunk's worker has a long task, and two messages wait that no worker can take.
    await fleet.push("work 60", run="long")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one", slots=2))
        await until(lambda: fleet.ledger.calls["write"] and fleet.work.running)

        async def backlog(_: Call) -> Depth:
            return Depth(visible=2, in_flight=2, delayed=0)

        fleet.queue.around["depth"] = backlog
        await until(lambda: fleet.recorded(careful), within=200)
        scope.cancel()
    record = await fleet.record(careful)
    assert record.attempt == 3, "a claim for each dead worker, and one for the last"
    assert record.progress.given_back == 0


@pytest.mark.parametrize("error", [Unavailable("no answer"), KeyError("odd")], ids=["expected", "unexpected"])
async def test_careful_chunk_stays_if_the_queue_does_not_say_whether_messages_wait(
    fleet: Fleet, autojump_clock: MockClock, error: Exception
) -> None:
    async def fail(_: Call) -> object:
        raise error

    careful = await fleet.push("work 10", run="careful")
    await lose_workers(fleet, 2)
    await fleet.push("work 60", run="long")
    fleet.queue.around["depth"] = fail
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one", slots=2))
        await until(lambda: fleet.work.starts.total() == 4, within=200)
        del fleet.queue.around["depth"]
        await fleet.finish(careful)
        scope.cancel()
    assert (await fleet.record(careful)).attempt == 3


async def test_careful_chunk_runs_although_other_work_never_ends(fleet: Fleet, autojump_clock: MockClock) -> None:
    careful = await fleet.push("work 10", run="careful")
    await lose_workers(fleet, 2)

    async def feed() -> None:
        for number in count():
            await fleet.push("work 7", run=f"other-{number}")
            await trio.sleep(3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        scope = fleet.start(nursery, fleet.worker("busy", slots=2))
        await until(lambda: fleet.recorded(careful), within=60)
        scope.cancel()
        nursery.cancel_scope.cancel()
    assert await fleet.states(careful) == {TaskState.SUCCEEDED: 1}


async def test_careful_task_is_stopped_when_its_run_is_cancelled(fleet: Fleet, autojump_clock: MockClock) -> None:
    careful = await fleet.push("work 1000", "work 1", chunk=2, run="careful")
    await lose_workers(fleet, 2)
    other = await fleet.push("work 1", run="other")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("two", slots=2))
        await until(lambda: fleet.work.running)
        await fleet.ledger.cancel_run(careful.id)
        results = await fleet.finish(careful, within=60)
        await fleet.finish(other, within=60)
        scope.cancel()
    assert {result.state for result in results.values()} == {TaskState.CANCELLED}


async def test_careful_task_has_its_whole_time_out_however_slow_the_ledger_is(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def slow_renewals(call: Call, writes: Sequence[Write]) -> object:
        if any(isinstance(one, Update) and one.lease_not_after for one in writes):
            await trio.sleep(15)
        return await call(writes)

    run = await fleet.push("work 20", "work 30", chunk=2)
    await lose_workers(fleet, 2)
    fleet.ledger.around["write"] = slow_renewals
    async with trio.open_nursery() as nursery:
        worker = fleet.worker("two", slots=2, task_timeout_seconds=25.0, max_attempts=2)
        scope = fleet.start(nursery, worker)
        results = await fleet.finish(run)
        scope.cancel()
    assert (results[0].state, results[0].attempts) == (TaskState.SUCCEEDED, 1)
    assert (results[1].error, results[1].attempts) == ("timed out after 25 s", 2)


async def test_worker_told_to_stop_gives_back_a_careful_chunk_without_blame(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 100", "work 1", chunk=2)
    await lose_workers(fleet, 2)
    worker = fleet.worker("two", slots=2, stop_seconds=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(lambda: fleet.work.running)
        worker.stop()
    record = await fleet.record(run)
    assert record.released
    assert (record.progress.suspect, record.progress.suspicions) == (None, {})


async def test_suspect_that_survives_is_cleared(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 50")
    async with trio.open_nursery() as nursery:
        for number in range(3):
            scope = fleet.start(nursery, fleet.worker(f"worker-{number}"))
            await until(lambda number=number: fleet.work.starts[0] == number + 1)  # type: ignore[misc]  # bound now
            await trio.sleep(25)
            scope.cancel()
        record = await fleet.record(run)
        assert record.progress.losses == 2
        scope = fleet.start(nursery, fleet.worker("last"))
        results = await fleet.finish(run)
        scope.cancel()
    assert results[0].state is TaskState.SUCCEEDED
    assert results[0].attempts == 1


@pytest.mark.parametrize("name", [f"worker-{number}" for number in range(8)])
async def test_no_suspect_starts_unrecorded(fleet: Fleet, autojump_clock: MockClock, name: str) -> None:
    run = await fleet.push("work 50")
    failing = False

    async def fail_renewals(call: Call, writes: Sequence[Write]) -> object:
        if failing and any(isinstance(one, Update) and one.lease_not_after for one in writes):
            raise Unavailable("no answer")
        return await call(writes)

    fleet.ledger.around["write"] = fail_renewals
    await lose_workers(fleet, 2)
    async with trio.open_nursery() as nursery:
        failing = True
        # The worker's name seeds its backoff: some give up before the lease is checked, some after.
        second = fleet.start(nursery, fleet.worker(name))
        await trio.sleep(LEASE * 4)
        assert fleet.work.starts[0] == 2, "it started although the ledger could not record it"
        failing = False
        await fleet.finish(run)
        second.cancel()
    assert fleet.work.starts[0] == 3
