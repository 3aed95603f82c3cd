"""The whole pipeline, with services in memory and in virtual time."""

import trio
from trio.testing import MockClock

from cloudkon.handler import Context
from cloudkon.model import TaskState
from images.worker.pipeline.poller import Poller
from tests.support.fault_injection import Call
from tests.support.memory_fleet import Fleet, Work, until


async def test_every_task_gets_one_result_and_the_worker_ends_with_its_queue(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push(*["work 0.01"] * 100)
    await fleet.worker(until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert {(one.state, one.output, one.attempts, one.worker) for one in results.values()} == {
        (TaskState.SUCCEEDED, "done", 1, "one")
    }
    assert set(fleet.work.starts.values()) == {1}
    assert len(fleet.published) == 100


async def test_chunk_is_completed_as_one(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.01"] * 95, chunk=10)
    await fleet.worker(until_empty=True, slots=3).run()
    await fleet.finish(run, within=0.1)
    assert len(await fleet.records(run)) == 10
    assert set(fleet.work.starts.values()) == {1}


async def test_worker_runs_one_task_on_each_slot(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 10"] * 40)
    await fleet.worker(until_empty=True, slots=8).run()
    assert fleet.work.most_running == 8
    await fleet.finish(run, within=0.1)


async def test_tasks_of_one_chunk_share_the_slots(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.push(*["work 10"] * 8, chunk=8)
    await fleet.worker(until_empty=True, slots=8).run()
    assert trio.current_time() < 20


async def test_no_slot_waits_while_there_is_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    # Durations differ, so the slots become free one at a time; each must get a task at once.
    lengths = [3 + (seq * 7) % 13 for seq in range(60)]
    run = await fleet.push(*[f"work {seconds}" for seconds in lengths])
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=4))
        await fleet.finish(run)
        seconds = trio.current_time() - begun
        scope.cancel()
    assert seconds < 1.1 * sum(lengths) / 4 + max(lengths)


async def test_workers_share_the_work_and_no_task_runs_twice(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.5"] * 400)
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(fleet.worker(f"worker-{number}", until_empty=True, slots=2).run)
    results = await fleet.finish(run, within=0.1)
    assert set(fleet.work.starts.values()) == {1}
    assert len({one.worker for one in results.values()}) == 8


async def test_idle_worker_runs_work_that_comes_later(fleet: Fleet, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        for number in range(3):
            await trio.sleep(100)
            run = await fleet.push("work 1", "work 1", run=f"run-{number}")
            await fleet.finish(run, within=10)
        scope.cancel()


async def test_until_empty_waits_for_messages_that_others_hold(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 1", "work 1")
    held = await fleet.queue.receive(1, 0, 500)
    await fleet.worker(until_empty=True).run()
    assert trio.current_time() >= 500
    await fleet.finish(run, within=0.1)
    assert len(held) == 1


async def test_long_tasks_are_not_prefetched(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.push(*["work 10"] * 100)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=2))
        for _ in range(30):
            await trio.sleep(1.7)
            # Two run, and shortly before the end of each the next one may have been received.
            assert (await fleet.queue.depth()).in_flight <= 4
        await trio.sleep(5)
        scope.cancel()


async def test_tasks_of_unknown_length_are_not_prefetched(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.push(*["work 3000"] * 20)
    async with trio.open_nursery() as nursery:
        scopes = []
        for number in range(4):
            scopes.append(fleet.start(nursery, fleet.worker(f"worker-{number}", slots=5)))
            await trio.sleep(5)
        await until(lambda: fleet.work.running == 20, within=60)
        for scope in scopes:
            scope.cancel()


async def test_short_tasks_are_prefetched_in_batches(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.01"] * 1000)

    async def slow(call: Call, *arguments: object) -> object:
        await trio.sleep(0.02)
        return await call(*arguments)

    fleet.queue.around["receive"] = slow
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.starts.total() == 1000)
        assert trio.current_time() < 10.6
        assert fleet.queue.calls["receive"] < 300
        await fleet.finish(run)
        scope.cancel()


async def test_empty_tasks_that_keep_coming_are_claimed_in_full_batches(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push(*["work 0"] * 1000)

    async def slow(call: Call, *arguments: object) -> object:
        await trio.sleep(0.005)
        return await call(*arguments)

    fleet.queue.around["receive"] = slow
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await fleet.finish(run)
        scope.cancel()
    # 40 batches of claims and 40 of completions are enough.
    assert fleet.ledger.calls["write"] < 90


async def test_single_task_is_claimed_at_once(fleet: Fleet, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        for number in range(5):
            run = await fleet.push("work 0", run=f"run-{number}")
            began = trio.current_time()

            def started(tasks: int = number + 1) -> bool:
                return fleet.work.starts.total() == tasks

            await until(started, within=1, step=0.001)
            assert trio.current_time() - began < 0.01
            await fleet.finish(run)
        scope.cancel()


async def test_idle_worker_rarely_wakes(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.001"] * 50)
    async with trio.open_nursery() as nursery:
        worker = fleet.worker(slots=16)
        scope = fleet.start(nursery, worker)
        await fleet.finish(run)
        looks = 0
        wanted = worker._receiver._prefetch.wanted

        def counted(poller: Poller, now: float) -> int:
            nonlocal looks
            looks += 1
            return wanted(poller, now)

        worker._receiver._prefetch.wanted = counted  # type: ignore[method-assign]  # counts how often the receiver wakes
        await trio.sleep(100)
        assert looks < 1000
        scope.cancel()


async def test_handlers_of_two_workers_see_their_own_attempt_and_token(fleet: Fleet, autojump_clock: MockClock) -> None:
    seen: list[Context] = []

    async def look(arguments: str, context: Context) -> None:
        seen.append(context)

    run = await fleet.push("look", "look")
    await fleet.worker(handlers=Work().handlers(look=look), until_empty=True).run()
    await fleet.finish(run, within=0.1)
    first, second = seen
    assert {str(one.task) for one in seen} == {"run/0", "run/1"}
    assert first.token != second.token
    assert first.attempt == second.attempt == 1
