"""The agenda: who runs next, and how much work there is for how long."""

import pytest
import trio
from trio.testing import MockClock

from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Progress
from cloudkon.protocol import Claim
from images.worker.pipeline.claimed_chunk import ClaimedChunk, ReceivedChunk
from images.worker.pipeline.ready_queue import ReadyQueue


def holding(number: int, tasks: int, losses: int = 0) -> ClaimedChunk:
    key = ChunkKey("run", number, 1)
    chunk = Chunk(key, number * 100, ("work 1",) * tasks)
    record = ChunkRecord(key, ChunkState.CLAIMED, "token", 1, 0, tasks, Progress(losses=losses))
    return ClaimedChunk(ReceivedChunk(chunk, {}, 0.0), Claim(record, 100.0))


def busy(slots: int, since: list[float], average: float) -> ReadyQueue:
    ready_queue = ReadyQueue(slots, lambda: None)
    ready_queue.average = average
    for slot, time in enumerate(since):
        ready_queue._started[slot] = trio.current_time() - time
    return ready_queue


async def test_tasks_come_in_order_chunk_by_chunk(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(1, lambda: None)
    ready_queue.add(holding(0, 2))
    ready_queue.add(holding(1, 1))
    assert [(await ready_queue.take())[1].id.seq for _ in range(3)] == [0, 1, 100]


async def test_a_slot_that_finds_nothing_says_so_and_waits(autojump_clock: MockClock) -> None:
    hungry: list[float] = []
    ready_queue = ReadyQueue(1, lambda: hungry.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ready_queue.take)
        await trio.sleep(3)
        assert ready_queue.free == 1
        assert not ready_queue.busy
        ready_queue.add(holding(0, 1))
    assert hungry == [0.0]
    assert ready_queue.busy


async def test_a_chunk_that_killed_a_worker_runs_one_task_at_a_time(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(2, lambda: None)
    careful = holding(0, 2, losses=1)
    ready_queue.add(careful)
    ready_queue.add(holding(1, 1))
    _, first = await ready_queue.take()
    careful.running[first.id.seq] = trio.CancelScope()
    _, second = await ready_queue.take()
    assert (first.id.seq, second.id.seq) == (0, 100)
    with trio.move_on_after(5) as waited:
        await ready_queue.take()
    assert waited.cancelled_caught
    careful.running.clear()
    _, third = await ready_queue.take()
    assert third.id.seq == 1


async def test_nothing_starts_after_it_was_closed(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(1, lambda: None)
    ready_queue.add(holding(0, 2))
    ready_queue.close()
    ready_queue.add(holding(1, 2))
    with trio.move_on_after(5) as waited:
        await ready_queue.take()
    assert waited.cancelled_caught


@pytest.mark.parametrize(
    ("slots", "since", "average", "queued", "shortage", "supply"),
    [
        (1, [], 10.0, 0, 1, 0.0),
        (1, [2.0], 10.0, 0, 0, 8.0),
        (1, [2.0], 10.0, 1, -1, 18.0),
        # One of two slots is free: what the other one still has to do helps nobody.
        (2, [2.0], 10.0, 0, 1, 0.0),
        (2, [2.0], 10.0, 1, 0, 8.0),
        (2, [], 10.0, 1, 1, 0.0),
        (2, [], 10.0, 4, -2, 20.0),
        # One that takes longer than others may do so for as long again: others find what would wait behind it.
        (2, [50.0, 2.0], 10.0, 0, 0, 8.0),
        (1, [600.0], 0.001, 0, 0, 600.0),
        (1, [0.04], 0.016, 0, 4, 0.04),
        (8, [], 10.0, 0, 8, 0.0),
        # Short tasks: a tenth of a second is a hundred of them for each slot.
        (2, [], 0.001, 0, 200, 0.0),
        (2, [], 0.001, 300, -100, 0.15),
    ],
)
async def test_how_much_work_is_lacking_and_how_long_it_lasts(
    autojump_clock: MockClock,
    slots: int,
    since: list[float],
    average: float,
    queued: int,
    shortage: int,
    supply: float,
) -> None:
    ready_queue = busy(slots, since, average)
    assert ready_queue.shortage(queued, 0.1) == shortage
    assert ready_queue.supply(queued) == pytest.approx(supply)


async def test_the_average_follows_what_attempts_take(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(1, lambda: None)
    assert (ready_queue.average, ready_queue.supply(5), ready_queue.shortage(0, 1)) == (None, 0.0, 0)
    ready_queue.ended(0, 10.0)
    assert ready_queue.average == 10.0
    ready_queue.ended(0, None)
    assert ready_queue.average == 10.0
    for _ in range(100):
        ready_queue.ended(0, 1.0)
    assert ready_queue.average == pytest.approx(1.0, abs=0.01)
