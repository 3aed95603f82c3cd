"""Two queues a pool: high priority overtakes, normal work gets its share, and polling both costs little."""

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


class StartTimes:
    """A handler that notes the run and the virtual time of each start."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []

    async def work(self, arguments: str, context: Context) -> None:
        self.begun.append((context.run, trio.current_time()))
        await trio.sleep(float(arguments))

    def of(self, run: Run) -> list[float]:
        return [at for name, at in self.begun if name == run.id]


async def test_high_priority_overtakes_waiting_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    starts = StartTimes()
    async with trio.open_nursery() as nursery:
        normal = await fleet.push(*["work 2"] * 50, run="normal")
        scope = fleet.start(nursery, fleet.worker(handlers={"work": starts.work}))
        await trio.sleep(9)
        high = await fleet.push(*["work 2"] * 4, run="high", priority=Priority.HIGH)
        await until(lambda: len(starts.of(high)) == 4)
        # The running task, perhaps one that was received before, and one that is the normal queue's share.
        assert len(starts.of(normal)) <= 5 + 2
        await fleet.finish(normal)
        await fleet.finish(high)
        scope.cancel()


async def test_normal_work_never_starves(fleet: Fleet, autojump_clock: MockClock) -> None:
    starts = StartTimes()

    async def flood() -> None:
        for number in range(10_000):
            await fleet.push(*["work 1"] * 10, run=f"high{number}", priority=Priority.HIGH)
            await trio.sleep(5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        await trio.sleep(1)
        normal = await fleet.push(*["work 1"] * 100, run="normal")
        scope = fleet.start(nursery, fleet.worker(handlers={"work": starts.work}))
        await trio.sleep(200)
        share = len(starts.of(normal)) / len(starts.begun)
        assert 1 / (NORMAL_SHARE + 1) < share < 2 / NORMAL_SHARE, "normal work gets its share, and no more"
        assert len(starts.begun) >= 190, "the slot was without work"
        scope.cancel()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("priority", Priority)
async def test_idle_worker_starts_work_of_either_queue_at_once(
    fleet: Fleet, priority: Priority, autojump_clock: MockClock
) -> None:
    starts = StartTimes()
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(handlers={"work": starts.work}))
        await trio.sleep(47)
        sent = trio.current_time()
        run = await fleet.push("work 1", priority=priority)
        await until(lambda: starts.begun)
        assert starts.of(run)[0] - sent < 0.2
        await fleet.finish(run)
        scope.cancel()


async def test_long_polls_on_both_queues_cost_few_requests(fleet: Fleet, autojump_clock: MockClock) -> None:
    normal, high = fleet.queue.calls, fleet.high.calls
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await trio.sleep(1000)
        assert {normal["receive"], high["receive"]} <= {50, 51, 52}, "one long poll on each queue"
        before = high["receive"]
        run = await fleet.push(*["work 0.1"] * 2000)
        await fleet.finish(run)
        assert high["receive"] - before <= 200 / 20 + 2, "one long poll on the other queue while normal work runs"
        scope.cancel()


async def test_two_chunks_that_come_at_once_go_to_two_idle_workers(fleet: Fleet, autojump_clock: MockClock) -> None:
    starts = StartTimes()
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name, {"work": starts.work})) for name in ("one", "two")]
        await trio.sleep(5)
        sent = trio.current_time()
        high = await fleet.push("work 600", run="high", priority=Priority.HIGH)
        normal = await fleet.push("work 600", run="normal")
        await until(lambda: len(starts.begun) == 2)
        assert trio.current_time() - sent < 1
        await fleet.finish(high)
        await fleet.finish(normal)
        for scope in scopes:
            scope.cancel()


@pytest.mark.parametrize("error", [NoFleet("queue", "not found"), AccessDenied("not allowed to receive")])
async def test_fleet_without_a_high_priority_queue_works(
    fleet: Fleet, error: Exception, autojump_clock: MockClock
) -> None:
    requests = fleet.high.calls

    async def refuse(_call: Call, *_arguments: object) -> list[Delivery]:
        raise error

    async def no_depth(_call: Call) -> object:
        raise NoFleet("queue", "not found")

    fleet.high.around["receive"], fleet.high.around["depth"] = refuse, no_depth
    run = await fleet.push(*["work 1"] * 20)
    begun = trio.current_time()
    await fleet.worker(until_empty=True).run()
    assert trio.current_time() - begun < 30, "it did not end with the one queue"
    await fleet.finish(run, within=1)
    assert requests["receive"] == 1
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await trio.sleep(1000)
        assert requests["receive"] <= 6, "it looked for the missing queue too often"
        fleet.high.around.clear()
        high = await fleet.push("work 1", run="high", priority=Priority.HIGH)
        await fleet.finish(high, within=400)
        scope.cancel()


async def test_until_empty_empties_both_queues(fleet: Fleet, autojump_clock: MockClock) -> None:
    runs = [await fleet.push(*["work 1"] * 7, run=one, priority=one) for one in Priority]
    await fleet.worker(until_empty=True).run()
    for run in runs:
        assert len(await fleet.finish(run, within=1)) == 7


async def test_failing_queue_does_not_stop_deletes_on_the_other(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail_twice(call: Call, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        if fleet.high.calls["delete"] <= 2:
            raise AccessDenied("not now")
        outcomes: list[QueueOutcome] = await call(deliveries)
        return outcomes

    fleet.high.around["delete"] = fail_twice
    runs = [await fleet.push(*["work 0.01"] * 30, run=one, priority=one) for one in Priority]
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        for run in runs:
            await fleet.finish(run, within=60)
        scope.cancel()
