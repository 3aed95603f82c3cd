"""Virtual time: sleeping tasks wake in order and on time, without real waiting."""

import trio

from cloudkon.memory.virtual_clock import EPOCH, JumpingClock, VirtualClock


def test_sleeping_tasks_wake_in_order_and_on_time() -> None:
    woken: list[tuple[float, float]] = []

    async def sleep(seconds: float) -> None:
        await trio.sleep(seconds)
        clock = VirtualClock(skew=2)
        woken.append((clock.monotonic(), clock.wall()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for seconds in (86_400, 0.5, 60):
                nursery.start_soon(sleep, seconds)

    trio.run(main, clock=JumpingClock())
    assert woken == [(at, EPOCH + at + 2) for at in (0.5, 60, 86_400)]
