"""Chunks that wait behind a task that turned out long are given back for idle workers."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.model import Delivery
from images.worker.pipeline.rebalancer import PATIENCE_SECONDS
from tests.support.fault_injection import Call
from tests.support.memory_fleet import Fleet, until


async def test_short_task_does_not_wait_behind_a_long_one_while_another_worker_is_idle(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("first"))
        # It learns that tasks are short, and receives many at a time.
        await fleet.finish(await fleet.push(*["work 0.001"] * 200, run="short"))
        run = await fleet.push("work 600", *["work 0.001"] * 9, run="mixed")
        await until(lambda: fleet.work.running, within=30)
        second = fleet.start(nursery, fleet.worker("second"))
        begun = trio.current_time()

        async def nine() -> bool:
            return len(await fleet.recorded(run)) == 9

        await until(nine, within=PATIENCE_SECONDS * 2 + 20)
        assert trio.current_time() - begun < 30
        results = await fleet.finish(run)
        first.cancel()
        second.cancel()
    assert results[0].worker == "first"
    assert {results[seq].worker for seq in range(1, 10)} == {"second"}
    assert {one.attempts for one in results.values()} == {1}


@pytest.mark.parametrize("seconds", [0.05, 1.0, 30.0])
async def test_no_chunk_is_given_back_while_durations_stay_the_same(
    fleet: Fleet, autojump_clock: MockClock, seconds: float
) -> None:
    given_back: list[Delivery] = []

    async def note(call: Call, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> object:
        given_back.extend(one for one, wait in zip(deliveries, seconds, strict=True) if not wait)
        return await call(deliveries, seconds)

    fleet.queue.around["set_visibility"] = note
    run = await fleet.push(*[f"work {seconds}"] * 60)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=2))
        await fleet.finish(run)
        scope.cancel()
    assert not given_back


async def test_chunk_given_back_and_received_again_at_once_is_not_forgotten(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def slow_answer(call: Call, *arguments: object) -> object:
        answer = await call(*arguments)
        # Meanwhile the worker's own long poll gets the messages again.
        await trio.sleep(0.05)
        return answer

    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("first"))
        await fleet.finish(await fleet.push(*["work 0.001"] * 200, run="short"))
        fleet.queue.around["set_visibility"] = slow_answer
        run = await fleet.push("work 10", *["work 0.001"] * 9, run="mixed")
        began = trio.current_time()
        await fleet.finish(run)
        scope.cancel()
    assert trio.current_time() - began < 20
