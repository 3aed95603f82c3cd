"""The ready queue: which task runs next."""

import trio
from trio.testing import MockClock

from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Progress
from cloudkon.protocol import Claim
from images.worker.pipeline.claimed_chunk import ClaimedChunk
from images.worker.pipeline.ready_queue import ReadyQueue
from images.worker.pipeline.received_chunk import ReceivedChunk


def claimed(number: int, tasks: int, losses: int = 0) -> ClaimedChunk:
    key = ChunkKey("run", number, 1)
    chunk = Chunk(key, number * 100, ("work 1",) * tasks)
    record = ChunkRecord(key, ChunkState.CLAIMED, "token", 1, 0, tasks, Progress(losses=losses))
    return ClaimedChunk(ReceivedChunk(chunk, {}, 0.0), Claim(record, 100.0))


async def test_tasks_come_in_order_chunk_by_chunk(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(1, lambda: None)
    ready_queue.add(claimed(0, 2))
    ready_queue.add(claimed(1, 1))
    assert [(await ready_queue.take())[1].id.seq for _ in range(3)] == [0, 1, 100]


async def test_slot_without_a_task_reports_it_once_and_waits(autojump_clock: MockClock) -> None:
    idle_at: list[float] = []
    ready_queue = ReadyQueue(1, lambda: idle_at.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ready_queue.take)
        await trio.sleep(3)
        assert ready_queue.free == 1
        assert not ready_queue.busy
        ready_queue.add(claimed(0, 1))
    assert idle_at == [0.0]
    assert ready_queue.busy


async def test_chunk_on_which_a_worker_died_runs_one_task_at_a_time(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(2, lambda: None)
    serial = claimed(0, 2, losses=1)
    ready_queue.add(serial)
    ready_queue.add(claimed(1, 1))
    _, first = await ready_queue.take()
    serial.start_task(first, trio.CancelScope())
    _, second = await ready_queue.take()
    assert (first.id.seq, second.id.seq) == (0, 100)
    with trio.move_on_after(5) as waited:
        await ready_queue.take()
    assert waited.cancelled_caught
    serial.end_task(first)
    _, third = await ready_queue.take()
    assert third.id.seq == 1


async def test_closed_queue_hands_out_no_task(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(1, lambda: None)
    ready_queue.add(claimed(0, 2))
    ready_queue.close()
    ready_queue.add(claimed(1, 2))
    with trio.move_on_after(5) as waited:
        await ready_queue.take()
    assert waited.cancelled_caught
