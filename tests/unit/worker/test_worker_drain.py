"""SIGTERM, as ``worker.stop()``: running tasks may end, everything else is given back at once."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.handler import Context
from cloudkon.model import Outgoing, TaskState
from cloudkon.settings import Settings
from tests.support.fault_injection import Call
from tests.support.memory_fleet import JITTER, LEASE, MARGIN, POLL, RECOVERY, Fleet, until


async def test_running_task_ends_and_the_rest_goes_to_another_worker_at_once(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push(*["work 10"] * 6, chunk=2)
    async with trio.open_nursery() as nursery:
        one = fleet.worker("one")
        fleet.start(nursery, one)
        await until(lambda: fleet.work.running == 1)
        two = fleet.start(nursery, fleet.worker("two"))
        await trio.sleep(5)
        one.stop()
        results = await fleet.finish(run, within=65)
        two.cancel()
    assert set(fleet.work.starts.values()) == {1}, "a released or a running task ran twice"
    assert {one.attempts for one in results.values()} == {1}
    assert results[0].worker == "one"


async def test_released_chunk_keeps_its_results_and_counts_no_loss(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 10"] * 3, chunk=3)
    one = fleet.worker("one")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: fleet.work.starts[1] == 1)
        await trio.sleep(5)
        one.stop()
    record = await fleet.record(run)
    assert record.released
    assert [result.task.seq for result in record.progress.results] == [0, 1]
    assert record.progress.losses == 0
    assert (await fleet.queue.depth()).visible == 1
    await fleet.worker("two", until_empty=True).run()
    await fleet.finish(run, within=0.1)
    assert fleet.work.starts.total() == 3


async def test_task_longer_than_the_stop_timeout_is_killed_and_released(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 100")
    one = fleet.worker("one", stop_seconds=30)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: fleet.work.running == 1)
        one.stop()
        stopped = trio.current_time()
    assert trio.current_time() - stopped < 30
    assert fleet.work.running == 0
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("two"))
        assert await until(lambda: fleet.work.running == 1) < 1, "the chunk was not free at once"
        results = await fleet.finish(run)
        scope.cancel()
    assert trio.current_time() - begun < 102
    assert (results[0].state, results[0].attempts) == (TaskState.SUCCEEDED, 1)


async def test_worker_that_is_hurried_releases_its_running_tasks_at_once(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 100")
    one = fleet.worker("one", stop_seconds=110)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: fleet.work.running == 1)
        one.stop()
        await trio.sleep(5)
        assert one.stopping
        assert fleet.work.running == 1
        one.stop_now()
        await trio.sleep(2)
        record = await fleet.record(run)
    assert record.released
    assert record.progress.losses == 0
    assert (await fleet.queue.depth()).visible == 1


@pytest.mark.parametrize("deaths", [0, 2])
async def test_task_met_by_many_announced_stops_succeeds_at_its_first_attempt(
    fleet: Fleet, autojump_clock: MockClock, deaths: int
) -> None:
    """After two deaths the chunk is careful: the task runs alone, and another death would be charged to it."""
    run = await fleet.push("work 100", "work 100", chunk=2)
    for number in range(deaths):
        async with trio.open_nursery() as nursery:
            scope = fleet.start(nursery, fleet.worker(f"lost-{number}", slots=2))
            await until(lambda: fleet.work.running)
            scope.cancel()
        await trio.sleep(RECOVERY)
    for number in range(2 * Settings().max_attempts):
        one = fleet.worker(f"reclaimed-{number}", slots=2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.run)
            await until(lambda: fleet.work.running == (1 if deaths else 2))
            one.stop()
        record = await fleet.record(run)
        assert record.released
        assert (record.progress.losses, record.progress.suspect) == (deaths, None)
    await fleet.worker("last", slots=2, until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert {(one.state, one.attempts) for one in results.values()} == {(TaskState.SUCCEEDED, 1)}
    assert {number for numbers in fleet.work.attempts.values() for number in numbers} == {1}


async def test_failed_attempts_are_counted_across_a_release(fleet: Fleet, autojump_clock: MockClock) -> None:
    seen = []

    async def fail(arguments: str, context: Context) -> None:
        seen.append(context.attempt)
        raise ValueError("no")

    run = await fleet.push("fail")
    one = fleet.worker("one", {"fail": fail}, retry_seconds=20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: len(seen) == 2)
        one.stop()
    await fleet.worker("two", {"fail": fail}, until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert seen == [1, 2, 3]
    assert (results[0].state, results[0].attempts) == (TaskState.FAILED, 3)


async def test_idle_worker_ends_with_its_long_poll(fleet: Fleet, autojump_clock: MockClock) -> None:
    one = fleet.worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(5)
        one.stop()
    assert trio.current_time() <= POLL + 1


async def test_messages_of_the_last_poll_are_given_back(fleet: Fleet, autojump_clock: MockClock) -> None:
    one = fleet.worker(slots=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(5)
        one.stop()
        await trio.sleep(5)
        await fleet.push(*["work 1"] * 3)
    assert (await fleet.queue.depth()).visible == 3
    assert fleet.work.starts.total() == 0


async def test_unclaimed_chunks_are_given_back(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def slow(call: Call, *arguments: object) -> object:
        await trio.sleep(3)
        return await call(*arguments)

    fleet.ledger.around["write"] = slow
    await fleet.push(*["work 20"] * 10)
    one = fleet.worker(slots=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(2)
        one.stop()
    assert (await fleet.queue.depth()).visible == 10
    assert fleet.work.starts.total() == 0


async def test_chunk_that_another_worker_holds_is_given_back_before_the_end(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    given_back: list[float] = []

    async def slow(call: Call, deliveries: Sequence[object], seconds: Sequence[float]) -> object:
        await trio.sleep(5)
        given_back.extend(seconds)
        return await call(deliveries, seconds)

    run = await fleet.push("work 200")
    two = fleet.worker("two", poll_seconds=1)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        scope.cancel()
        await fleet.push("work 200", run=run.id)
        fleet.queue.around["set_visibility"] = slow
        nursery.start_soon(two.run)
        await trio.sleep(2)
        two.stop()
    (seconds,) = given_back
    assert LEASE < seconds < LEASE + MARGIN + JITTER


async def test_failing_queue_does_not_delay_the_end(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail(call: Call, *arguments: object) -> None:
        raise Unavailable("no answer")

    fleet.queue.around["receive"] = fleet.high.around["receive"] = fail
    one = fleet.worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(60)
        one.stop()
        stopped = trio.current_time()
    assert trio.current_time() - stopped < 1


async def test_failing_receives_are_made_ever_more_rarely(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail(call: Call, *arguments: object) -> None:
        raise Unavailable("no answer")

    fleet.queue.around["receive"] = fail
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await trio.sleep(100)
        assert 10 < fleet.queue.calls["receive"] < 100
        run = await fleet.push("work 1")
        del fleet.queue.around["receive"]
        await fleet.finish(run, within=15)
        scope.cancel()


async def test_failing_ledger_delays_the_end_no_longer_than_the_stop_timeout(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def fail(call: Call, *arguments: object) -> None:
        raise Unavailable("no answer")

    run = await fleet.push(*["work 20"] * 4)
    one = fleet.worker(slots=4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: fleet.work.running == 4)
        fleet.ledger.around["write"] = fail
        one.stop()
        stopped = trio.current_time()
    assert trio.current_time() - stopped <= 31
    del fleet.ledger.around["write"]
    await fleet.worker("two", until_empty=True, slots=4).run()
    await fleet.finish(run, within=0.1)


async def test_results_are_published_and_messages_deleted_before_the_end(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def slow(call: Call, entries: Sequence[Outgoing]) -> object:
        await trio.sleep(4)
        return await call(entries)

    fleet.results.around["send"] = slow
    fleet.queue.around["delete"] = slow
    run = await fleet.push("work 3")
    one = fleet.worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: fleet.work.running == 1)
        one.stop()
    await fleet.finish(run, within=0.1)


async def test_stop_works_before_the_start_and_twice(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.push("work 1")
    one = fleet.worker()
    one.stop()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(0.1)
        one.stop()
    assert (await fleet.queue.depth()).visible == 1
