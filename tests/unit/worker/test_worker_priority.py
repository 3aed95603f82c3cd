"""Two queues a pool: high overtakes, normal gets its share, and listening at both costs little."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import AccessDenied, NoFleet
from cloudkon.handler import Context
from cloudkon.model import Delivery, Priority, Run
from cloudkon.ports import QueueOutcome
from images.worker.pipeline.receiver import NORMAL_SHARE
from tests.support.memory_fleet import Fleet, until

Call = Callable[..., Awaitable[Any]]


class Diary:
    """What began when, in virtual time: run, task and worker."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []

    async def work(self, arguments: str, context: Context) -> None:
        self.begun.append((context.run, trio.current_time()))
        await trio.sleep(float(arguments))

    def of(self, run: Run) -> list[float]:
        return [at for name, at in self.begun if name == run.id]


async def test_high_priority_overtakes_waiting_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    diary = Diary()
    async with trio.open_nursery() as nursery:
        normal = await fleet.push(*["work 2"] * 50, run="normal")
        life = fleet.start(nursery, fleet.worker(handlers={"work": diary.work}))
        await trio.sleep(9)
        high = await fleet.push(*["work 2"] * 4, run="high", priority=Priority.HIGH)
        await until(lambda: len(diary.of(high)) == 4)
        # The slot's own, perhaps one that was received before, and one that is normal's share.
        assert len(diary.of(normal)) <= 5 + 2
        await fleet.finish(normal)
        await fleet.finish(high)
        life.cancel()


async def test_normal_work_never_starves(fleet: Fleet, autojump_clock: MockClock) -> None:
    diary = Diary()

    async def flood() -> None:
        for number in range(10_000):
            await fleet.push(*["work 1"] * 10, run=f"high{number}", priority=Priority.HIGH)
            await trio.sleep(5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        await trio.sleep(1)
        normal = await fleet.push(*["work 1"] * 100, run="normal")
        life = fleet.start(nursery, fleet.worker(handlers={"work": diary.work}))
        await trio.sleep(200)
        share = len(diary.of(normal)) / len(diary.begun)
        assert 1 / (NORMAL_SHARE + 1) < share < 2 / NORMAL_SHARE, "normal gets its share, and no more"
        assert len(diary.begun) >= 190, "and the slot is never without work for it"
        life.cancel()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("priority", Priority)
async def test_idle_worker_starts_work_of_either_queue_at_once(
    fleet: Fleet, priority: Priority, autojump_clock: MockClock
) -> None:
    diary = Diary()
    async with trio.open_nursery() as nursery:
        life = fleet.start(nursery, fleet.worker(handlers={"work": diary.work}))
        await trio.sleep(47)
        sent = trio.current_time()
        run = await fleet.push("work 1", priority=priority)
        await until(lambda: diary.begun)
        assert diary.of(run)[0] - sent < 0.2
        await fleet.finish(run)
        life.cancel()


async def test_long_polls_on_both_queues_cost_few_requests(fleet: Fleet, autojump_clock: MockClock) -> None:
    normal, high = fleet.queue.calls, fleet.high.calls
    async with trio.open_nursery() as nursery:
        life = fleet.start(nursery, fleet.worker())
        await trio.sleep(1000)
        assert {normal["receive"], high["receive"]} <= {50, 51, 52}, "one long poll each"
        before = high["receive"]
        run = await fleet.push(*["work 0.1"] * 2000)
        await fleet.finish(run)
        assert high["receive"] - before <= 200 / 20 + 2, "busy with normal work: one long poll at the other"
        life.cancel()


async def test_two_chunks_that_come_at_once_go_to_two_idle_workers(fleet: Fleet, autojump_clock: MockClock) -> None:
    diary = Diary()
    async with trio.open_nursery() as nursery:
        lives = [fleet.start(nursery, fleet.worker(name, {"work": diary.work})) for name in ("one", "two")]
        await trio.sleep(5)
        sent = trio.current_time()
        high = await fleet.push("work 600", run="high", priority=Priority.HIGH)
        normal = await fleet.push("work 600", run="normal")
        await until(lambda: len(diary.begun) == 2)
        assert trio.current_time() - sent < 1
        await fleet.finish(high)
        await fleet.finish(normal)
        for life in lives:
            life.cancel()


@pytest.mark.parametrize("error", [NoFleet("queue", "there is none"), AccessDenied("not allowed to receive")])
async def test_fleet_without_a_high_priority_queue_works(
    fleet: Fleet, error: Exception, autojump_clock: MockClock
) -> None:
    asked = fleet.high.calls

    async def refuse(_call: Call, *_arguments: object) -> list[Delivery]:
        raise error

    async def no_depth(_call: Call) -> object:
        raise NoFleet("queue", "there is none")

    fleet.high.around["receive"], fleet.high.around["depth"] = refuse, no_depth
    run = await fleet.push(*["work 1"] * 20)
    begun = trio.current_time()
    await fleet.worker(until_empty=True).run()
    assert trio.current_time() - begun < 30, "it ends with the queue that there is"
    await fleet.finish(run, within=1)
    assert asked["receive"] == 1
    async with trio.open_nursery() as nursery:
        life = fleet.start(nursery, fleet.worker())
        await trio.sleep(1000)
        assert asked["receive"] <= 6, "looked for again now and then"
        fleet.high.around.clear()
        high = await fleet.push("work 1", run="high", priority=Priority.HIGH)
        await fleet.finish(high, within=400)
        life.cancel()


async def test_until_empty_empties_both_queues(fleet: Fleet, autojump_clock: MockClock) -> None:
    runs = [await fleet.push(*["work 1"] * 7, run=one, priority=one) for one in Priority]
    await fleet.worker(until_empty=True).run()
    for run in runs:
        assert len(await fleet.finish(run, within=1)) == 7


async def test_failing_queue_does_not_stop_deletes_on_the_other(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail_twice(call: Call, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        if fleet.high.calls["delete"] <= 2:
            raise AccessDenied("not now")
        found: list[QueueOutcome] = await call(deliveries)
        return found

    fleet.high.around["delete"] = fail_twice
    runs = [await fleet.push(*["work 0.01"] * 30, run=one, priority=one) for one in Priority]
    async with trio.open_nursery() as nursery:
        life = fleet.start(nursery, fleet.worker())
        for run in runs:
            await fleet.finish(run, within=60)
        life.cancel()
