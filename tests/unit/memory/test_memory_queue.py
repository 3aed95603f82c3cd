"""Promises of the queue in memory beyond the contract: exact times and bounded memory."""

import trio
import trio.testing

from cloudkon.memory import MemoryQueue
from cloudkon.model import Outgoing


async def test_delivery_comes_back_exactly_when_its_visibility_ends(autojump_clock: trio.testing.MockClock) -> None:
    queue = MemoryQueue()
    await queue.send([Outgoing("1")])
    began = trio.current_time()
    await queue.receive(1, 0, 2.5)
    (again,) = await queue.receive(1, 20, 60)
    assert trio.current_time() - began == 2.5
    assert again.receives == 2


async def test_waiting_receive_notices_a_shortened_visibility(
    autojump_clock: trio.testing.MockClock,
) -> None:
    queue = MemoryQueue()
    await queue.send([Outgoing("1")])
    held = await queue.receive(1, 0, 600)
    came_back_at: list[float] = []

    async def poll() -> None:
        await queue.receive(1, 20, 60)
        came_back_at.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await trio.sleep(1)
        shortened_at = trio.current_time()
        await queue.set_visibility(held, [3])
    assert came_back_at == [shortened_at + 3]


async def test_one_send_wakes_all_waiting_receives(autojump_clock: trio.testing.MockClock) -> None:
    queue = MemoryQueue()
    received: list[str] = []

    async def poll() -> None:
        received.extend(one.body for one in await queue.receive(1, 20, 60))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(poll)
        await trio.sleep(1)
        await queue.send([Outgoing(str(number)) for number in range(5)])
    assert sorted(received) == list("01234")


async def test_messages_are_received_in_the_order_of_arrival() -> None:
    queue = MemoryQueue()
    await queue.send([Outgoing(str(number)) for number in range(5)])
    (first,) = await queue.receive(1, 0, 60)
    await queue.set_visibility([first], [0])
    assert [one.body for one in await queue.receive(10, 0, 60)] == ["1", "2", "3", "4", "0"]


async def test_memory_does_not_grow_with_the_messages_that_passed_through() -> None:
    queue = MemoryQueue()
    for _ in range(3000):
        await queue.send([Outgoing("1")] * 2)
        deliveries = await queue.receive(2, 0, 60)
        await queue.set_visibility(deliveries, [60, 60])
        await queue.delete(deliveries)
    assert len(queue._expiries) < 2000
    assert (await queue.depth()).empty
