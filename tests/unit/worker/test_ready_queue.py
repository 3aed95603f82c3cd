"""The agenda: who runs next, and how much work there is for how long."""

import pytest
import trio
from trio.testing import MockClock

from cloudkon.model import Chunk, ChunkKey, ChunkState, Progress, Record
from cloudkon.protocol import Claim
from images.worker.pipeline.claimed_chunk import Arrival, Holding
from images.worker.pipeline.ready_queue import Agenda


def holding(number: int, tasks: int, losses: int = 0) -> Holding:
    key = ChunkKey("run", number, 1)
    chunk = Chunk(key, number * 100, ("work 1",) * tasks)
    record = Record(key, ChunkState.CLAIMED, "token", 1, 0, tasks, Progress(losses=losses))
    return Holding(Arrival(chunk, {}, 0.0), Claim(record, 100.0))


def busy(slots: int, since: list[float], average: float) -> Agenda:
    agenda = Agenda(slots, lambda: None)
    agenda.average = average
    for slot, time in enumerate(since):
        agenda._started[slot] = trio.current_time() - time
    return agenda


async def test_tasks_come_in_order_chunk_by_chunk(autojump_clock: MockClock) -> None:
    agenda = Agenda(1, lambda: None)
    agenda.add(holding(0, 2))
    agenda.add(holding(1, 1))
    assert [(await agenda.take())[1].id.seq for _ in range(3)] == [0, 1, 100]


async def test_a_slot_that_finds_nothing_says_so_and_waits(autojump_clock: MockClock) -> None:
    hungry: list[float] = []
    agenda = Agenda(1, lambda: hungry.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agenda.take)
        await trio.sleep(3)
        assert agenda.free == 1
        assert not agenda.busy
        agenda.add(holding(0, 1))
    assert hungry == [0.0]
    assert agenda.busy


async def test_a_chunk_that_killed_a_worker_runs_one_task_at_a_time(autojump_clock: MockClock) -> None:
    agenda = Agenda(2, lambda: None)
    careful = holding(0, 2, losses=1)
    agenda.add(careful)
    agenda.add(holding(1, 1))
    _, first = await agenda.take()
    careful.running[first.id.seq] = trio.CancelScope()
    _, second = await agenda.take()
    assert (first.id.seq, second.id.seq) == (0, 100)
    with trio.move_on_after(5) as waited:
        await agenda.take()
    assert waited.cancelled_caught
    careful.running.clear()
    _, third = await agenda.take()
    assert third.id.seq == 1


async def test_nothing_starts_after_it_was_closed(autojump_clock: MockClock) -> None:
    agenda = Agenda(1, lambda: None)
    agenda.add(holding(0, 2))
    agenda.close()
    agenda.add(holding(1, 2))
    with trio.move_on_after(5) as waited:
        await agenda.take()
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
    agenda = busy(slots, since, average)
    assert agenda.shortage(queued, 0.1) == shortage
    assert agenda.supply(queued) == pytest.approx(supply)


async def test_the_average_follows_what_attempts_take(autojump_clock: MockClock) -> None:
    agenda = Agenda(1, lambda: None)
    assert (agenda.average, agenda.supply(5), agenda.shortage(0, 1)) == (None, 0.0, 0)
    agenda.ended(0, 10.0)
    assert agenda.average == 10.0
    agenda.ended(0, None)
    assert agenda.average == 10.0
    for _ in range(100):
        agenda.ended(0, 1.0)
    assert agenda.average == pytest.approx(1.0, abs=0.01)
