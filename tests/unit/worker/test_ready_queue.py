"""The ready queue: which task runs next."""

import trio
from trio.testing import MockClock

from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Progress, Task
from cloudkon.protocol import Claim
from images.worker.pipeline.claimed_chunk import ClaimedChunk
from images.worker.pipeline.ready_queue import ReadyQueue
from images.worker.pipeline.received_chunk import ReceivedChunk
from images.worker.pipeline.task_durations import TaskDurations


def claimed(number: int, tasks: int, losses: int = 0) -> ClaimedChunk:
    key = ChunkKey("run", number, 1)
    chunk = Chunk(key, number * 100, ("work 1",) * tasks)
    record = ChunkRecord(key, ChunkState.CLAIMED, "token", 1, 0, tasks, Progress(losses=losses))
    return ClaimedChunk(ReceivedChunk(chunk, {}, 0.0), Claim(record, 100.0))


async def test_tasks_come_in_order_chunk_by_chunk(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(TaskDurations(1), lambda: None)
    ready_queue.add(claimed(0, 2))
    ready_queue.add(claimed(1, 1))
    assert [(await ready_queue.take())[1].id.seq for _ in range(3)] == [0, 1, 100]


async def test_slot_without_a_task_reports_it_once_and_waits(autojump_clock: MockClock) -> None:
    idle_at: list[float] = []
    ready_queue = ReadyQueue(TaskDurations(1), lambda: idle_at.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ready_queue.take)
        await trio.sleep(3)
        assert ready_queue.free == 1
        assert not ready_queue.busy
        ready_queue.add(claimed(0, 1))
    assert idle_at == [0.0]
    assert ready_queue.busy


async def test_careful_chunk_waits_for_running_tasks_and_lets_nothing_start_beside_it(
    autojump_clock: MockClock,
) -> None:
    started: list[int] = []
    ready_queue = ReadyQueue(TaskDurations(3), lambda: None)
    ready_queue.add(claimed(0, 1))

    async def run_slot() -> None:
        while True:
            chunk, first = await ready_queue.take()
            task: Task | None = first
            while task:
                started.append(task.id.seq)
                await trio.sleep(10)
                task = ready_queue.next_alone(chunk) if chunk.careful else None
            if chunk.careful:
                ready_queue.end_alone()

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(run_slot)
        await trio.sleep(1)
        ready_queue.add(claimed(1, 2, losses=2))
        ready_queue.add(claimed(2, 2))
        await trio.sleep(4)
        assert started == [0], "something ran beside the careful chunk, or before it"
        for expected in ([0, 100], [0, 100, 101], [0, 100, 101, 200, 201]):
            await trio.sleep(10)
            assert started == expected
        nursery.cancel_scope.cancel()


async def test_slots_that_wait_for_a_careful_chunk_want_no_more_work(autojump_clock: MockClock) -> None:
    durations = TaskDurations(2)
    durations.average = 100.0
    ready_queue = ReadyQueue(durations, lambda: None)
    careful, other = claimed(1, 1, losses=2), claimed(2, 1)
    ready_queue.add(claimed(0, 1))
    await ready_queue.take()
    ready_queue.add(careful)
    ready_queue.add(other)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ready_queue.take)
        await trio.sleep(1)
        assert durations.running == 2
        assert durations.shortage(0, 0.09) == 0
        ready_queue.on_chunk_gone()
        await trio.sleep(1)
        assert other.pending, "another chunk overtook the careful one"
        careful.drop_pending()
        ready_queue.on_chunk_gone()
    assert not other.pending, "the slots still wait for a careful chunk that was given back"
    assert not durations.holding


async def test_slots_go_on_beside_a_long_task_until_it_has_ended_and_then_wait_for_the_careful_chunk(
    autojump_clock: MockClock,
) -> None:
    durations = TaskDurations(2)
    durations.average = 0.5
    ready_queue = ReadyQueue(durations, lambda: None)
    ready_queue.add(claimed(0, 1))
    ready_queue.add(claimed(3, 4))
    long, _ = await ready_queue.take()
    durations.start(0, trio.current_time())
    started: list[tuple[float, int]] = []

    async def run_slot(index: int) -> None:
        while True:
            chunk, task = await ready_queue.take()
            started.append((trio.current_time(), task.id.seq))
            durations.start(index, trio.current_time())
            await trio.sleep(4)
            durations.end(index, 4)
            if chunk.careful:
                ready_queue.end_alone()

    async with trio.open_nursery() as nursery:
        await trio.sleep(0.5)
        ready_queue.add(claimed(1, 1, losses=2))
        nursery.start_soon(run_slot, 1)
        await trio.sleep(1)
        ready_queue.check_overtaking()
        assert durations.running == 2, "slots are not kept free for a careful chunk"
        await trio.sleep(1)
        assert not started, "a careful chunk was overtaken although it had not waited long"
        ready_queue.check_overtaking()
        await trio.sleep(2)
        assert started == [(2.5, 300)]
        assert durations.running == 2
        # The long task ends. The next one has begun after the careful chunk came, so nothing starts beside that.
        durations.end(0, 5)
        nursery.start_soon(run_slot, 0)
        await trio.sleep(5)
        assert started == [(2.5, 300), (6.5, 100)]
        nursery.cancel_scope.cancel()
    assert not long.pending


async def test_closed_queue_hands_out_no_task(autojump_clock: MockClock) -> None:
    ready_queue = ReadyQueue(TaskDurations(1), lambda: None)
    ready_queue.add(claimed(0, 2))
    ready_queue.close()
    ready_queue.add(claimed(1, 2))
    with trio.move_on_after(5) as waited:
        await ready_queue.take()
    assert waited.cancelled_caught
