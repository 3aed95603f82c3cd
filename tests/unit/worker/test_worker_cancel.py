"""Cancelled runs: CANCELLED is a result, which is recorded and published like any other."""

import trio
from trio.testing import MockClock

from cloudkon.model import Run, TaskState
from tests.support.memory_fleet import Fleet, until

EVERY = 3.0


async def ended(fleet: Fleet, run: Run) -> bool:
    return len(await fleet.recorded(run)) == run.count


async def test_cancelled_run_ends_waiting_and_running_tasks(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 1000"] * 30)
    other = await fleet.push("work 20", run="other")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=3))
        await until(lambda: fleet.work.running == 3)
        await fleet.ledger.cancel_run(run.id)
        await until(lambda: ended(fleet, run), within=2 * EVERY + 1)
        results = await fleet.recorded(run)
        assert {one.state for one in results.values()} == {TaskState.CANCELLED}
        assert {one.error for one in results.values()} == {"the run was cancelled"}
        assert sum(fleet.work.starts.values()) <= 4
        await fleet.finish(other, within=60)
        await fleet.finish(run, within=0.1)
        scope.cancel()
    assert (await fleet.recorded(other))[0].state is TaskState.SUCCEEDED


async def test_results_recorded_before_the_cancel_stay(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 1", "work 1000", "work 1000", chunk=3)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.starts[1] == 1)
        await fleet.ledger.cancel_run(run.id)
        results = await fleet.finish(run, within=2 * EVERY + 1)
        scope.cancel()
    assert [results[seq].state for seq in range(3)] == [
        TaskState.SUCCEEDED,
        TaskState.CANCELLED,
        TaskState.CANCELLED,
    ]


async def test_run_cancelled_before_its_start_never_runs(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 1"] * 20, chunk=5)
    await fleet.ledger.cancel_run(run.id)
    await fleet.worker(until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert {one.state for one in results.values()} == {TaskState.CANCELLED}
    assert not fleet.work.starts


async def test_task_that_waits_for_its_next_attempt_is_cancelled(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail(arguments: str, context: object) -> None:
        raise ValueError

    run = await fleet.push("fail")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(handlers={"fail": fail}, retry_seconds=1000))
        await trio.sleep(5)
        await fleet.ledger.cancel_run(run.id)
        results = await fleet.finish(run, within=2 * EVERY + 1)
        scope.cancel()
    assert (results[0].state, results[0].attempts) == (TaskState.CANCELLED, 1)


async def test_cancelled_flag_is_read_rarely(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.1"] * 300)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await fleet.finish(run)
        scope.cancel()
    assert fleet.ledger.calls["read_run"] <= 30 / EVERY + 2


async def test_cancelled_chunk_of_a_dead_worker_is_ended_by_the_next(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 1000", "work 1000", chunk=2)
    async with trio.open_nursery() as nursery:
        dead = fleet.start(nursery, fleet.worker("dead"))
        await until(lambda: fleet.work.running == 1)
        dead.cancel()
        await fleet.ledger.cancel_run(run.id)
        scope = fleet.start(nursery, fleet.worker("two"))
        results = await fleet.finish(run, within=100)
        scope.cancel()
    assert {one.state for one in results.values()} == {TaskState.CANCELLED}
    assert fleet.work.starts.total() == 1
