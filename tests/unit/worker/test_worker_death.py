"""Workers that die while they run tasks, and how others take over."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.handler import Context
from cloudkon.model import TaskState
from cloudkon.ports import Update, Write
from tests.support.fault_injection import Call
from tests.support.memory_fleet import LEASE, POLL, RECOVERY, Fleet, until


async def test_dead_workers_task_starts_again_within_lease_margin_and_poll(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 100")
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        second = fleet.start(nursery, fleet.worker("two"))
        await trio.sleep(77)
        first.cancel()
        assert await until(lambda: fleet.work.starts[0] == 2) <= RECOVERY
        results = await fleet.finish(run)
        second.cancel()
    assert results[0].worker == "two"
    assert results[0].attempts == 1, "a worker's death counted as a failed attempt"


async def test_killed_worker_loses_no_prefetched_or_claimed_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 5"] * 20, chunk=2)
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one", slots=3))
        second = fleet.start(nursery, fleet.worker("two", slots=3))
        await trio.sleep(12)
        first.cancel()
        await fleet.finish(run, within=RECOVERY + 100)
        second.cancel()
    assert max(fleet.work.starts.values()) <= 2


async def test_results_in_a_checkpoint_are_not_run_again(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 10"] * 20, chunk=20)
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.starts[15] == 1)
        first.cancel()
        second = fleet.start(nursery, fleet.worker("two"))
        results = await fleet.finish(run)
        second.cancel()
    again = [seq for seq, starts in fleet.work.starts.items() if starts > 1]
    # At most the tasks that ended since the last renewal; renewals come every third of a lease.
    assert 0 < len(again) <= LEASE / 3 / 10 + 2
    assert 15 in again
    assert {one.worker for one in results.values()} == {"one", "two"}


async def test_failed_attempts_are_counted_across_a_death(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail_twice(arguments: str, context: Context) -> str:
        fleet.work.starts[context.task.seq] += 1
        if context.attempt <= 2:
            raise ValueError("not yet")
        await trio.sleep(100)
        return "at last"

    run = await fleet.push("fail")
    handlers = {"fail": fail_twice}
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one", handlers))
        await until(lambda: fleet.work.starts[0] == 3)
        await trio.sleep(LEASE / 2)
        first.cancel()
        second = fleet.start(nursery, fleet.worker("two", handlers))
        results = await fleet.finish(run)
        second.cancel()
    assert (results[0].state, results[0].attempts) == (TaskState.SUCCEEDED, 3)
    assert fleet.work.starts[0] == 4


async def test_tasks_run_one_at_a_time_after_a_death_each_recorded_before_it_starts(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    suspects = []

    async def look(arguments: str, context: Context) -> None:
        if context.token != tokens[0]:
            suspects.append((context.task.seq, (await fleet.record(run)).progress.suspect))
        await fleet.work.work("10", context)

    run = await fleet.push(*["look"] * 4, chunk=4)
    tokens: list[str] = []
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one", {"look": look}, slots=4))
        await trio.sleep(0.01)
        tokens.append((await fleet.record(run)).owner)
        await trio.sleep(3)
        first.cancel()
        fleet.work.most_running = 0
        second = fleet.start(nursery, fleet.worker("two", {"look": look}, slots=4))
        await fleet.finish(run)
        second.cancel()
    assert suspects == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert fleet.work.most_running == 1


async def test_task_that_kills_its_worker_fails_alone_after_max_attempts(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    scopes: list[trio.CancelScope] = []

    async def kill(arguments: str, context: Context) -> None:
        fleet.work.starts[context.task.seq] += 1
        scopes[-1].cancel()
        await trio.sleep_forever()

    run = await fleet.push("work 1", "work 1", "kill", "work 1", chunk=4)
    async with trio.open_nursery() as nursery:
        finished = trio.Event()

        async def supervise() -> None:
            while not finished.is_set():
                scope = fleet.start(nursery, fleet.worker(f"worker-{len(scopes)}", fleet.work.handlers(kill=kill)))
                scopes.append(scope)
                await until(lambda: scopes[-1].cancelled_caught)

        nursery.start_soon(supervise)
        results = await fleet.finish(run)
        finished.set()
        scopes[-1].cancel()
    assert [results[seq].state for seq in range(4)] == [
        TaskState.SUCCEEDED,
        TaskState.SUCCEEDED,
        TaskState.FAILED,
        TaskState.SUCCEEDED,
    ]
    assert "worker lost 3 times" in results[2].error
    # Once in the chunk's first claim, which records no suspect, and then as the suspect.
    assert fleet.work.starts[2] == 4


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
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        first.cancel()
        failing = True
        # The worker's name seeds its backoff: some give up before the lease is checked, some after.
        second = fleet.start(nursery, fleet.worker(name))
        await trio.sleep(LEASE * 4)
        assert fleet.work.starts[0] == 1, "it started although the ledger could not record it"
        failing = False
        await fleet.finish(run)
        second.cancel()
    assert fleet.work.starts[0] == 2


async def test_death_between_claim_and_start_costs_one_lease(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 1"] * 3)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one", slots=3))

        async def die(call: Call, writes: Sequence[Write]) -> None:
            await call(writes)
            scope.cancel()
            await trio.sleep_forever()

        fleet.ledger.around["write"] = die
        await until(lambda: scope.cancelled_caught)
        del fleet.ledger.around["write"]
        other = fleet.start(nursery, fleet.worker("two", slots=3))
        await fleet.finish(run, within=RECOVERY + POLL)
        other.cancel()
    assert set(fleet.work.starts.values()) == {1}
