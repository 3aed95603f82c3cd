"""Works on several items at a time, and passes the results on in the order of the items."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")
R = TypeVar("R")


async def in_order(
    source: AsyncIterable[T], work: Callable[[T], Awaitable[R]], width: int, sink: trio.MemorySendChannel[R]
) -> None:
    """Send ``work(item)`` for each item into ``sink``, in order, and close ``sink`` after the last one.

    At most ``width`` items are in work or wait for their turn, so a slow sink limits what is in memory.
    """
    room = trio.Semaphore(width)

    async def take_turn(item: T, before: trio.Event, after: trio.Event) -> None:
        result = await work(item)
        await before.wait()
        await sink.send(result)
        after.set()
        room.release()

    async with sink, trio.open_nursery() as nursery:
        before = trio.Event()
        before.set()
        async for item in source:
            await room.acquire()
            after = trio.Event()
            nursery.start_soon(take_turn, item, before, after)
            before = after
