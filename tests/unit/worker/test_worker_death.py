"""Workers that die while they run tasks, and how others take over."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from cloudkon.handler import Context
from cloudkon.model import TaskState
from cloudkon.ports import Write
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
