"""Batches go when they are full or old, and at once when nothing else is coming."""

import trio
from trio.testing import MockClock

from images.worker.pipeline.batcher import Batcher

Flushed = list[tuple[float, list[int]]]


def make(flushed: Flushed, *, idle: bool = False, seconds: float = 0.0, concurrency: int = 4) -> Batcher[int]:
    async def flush(batch: list[int]) -> None:
        flushed.append((trio.current_time(), batch))
        await trio.sleep(seconds)

    return Batcher(flush, size=3, age=10, idle=lambda: idle, on_failure=no_failure, concurrency=concurrency)


def no_failure(entry: int, error: Exception) -> None:
    raise AssertionError(f"entry {entry} failed") from error


async def test_full_batch_goes_at_once_and_the_rest_when_it_is_old(autojump_clock: MockClock) -> None:
    flushed: Flushed = []
    batcher = make(flushed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        for entry in range(4):
            batcher.put(entry)
        await batcher.wait_empty()
        nursery.cancel_scope.cancel()
    assert flushed == [(0.0, [0, 1, 2]), (10.0, [3])]


async def test_batch_goes_at_once_in_an_idle_pipeline(autojump_clock: MockClock) -> None:
    flushed: Flushed = []
    batcher = make(flushed, idle=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        await trio.sleep(5)
        batcher.put(1)
        await batcher.wait_empty()
        nursery.cancel_scope.cancel()
    assert flushed == [(5.0, [1])]


async def test_nudge_checks_again_whether_the_pipeline_is_idle(autojump_clock: MockClock) -> None:
    flushed: Flushed = []
    idle = False

    async def flush(batch: list[int]) -> None:
        flushed.append((trio.current_time(), batch))

    batcher: Batcher[int] = Batcher(flush, size=3, age=10, idle=lambda: idle, on_failure=no_failure)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        batcher.put(1)
        await trio.sleep(4)
        idle = True
        batcher.nudge()
        await batcher.wait_empty()
        nursery.cancel_scope.cancel()
    assert flushed == [(4.0, [1])]


async def test_flushes_at_a_time_are_limited(autojump_clock: MockClock) -> None:
    flushed: Flushed = []
    batcher = make(flushed, idle=True, seconds=7, concurrency=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        for entry in range(9):
            batcher.put(entry)
        await trio.sleep(1)
        assert len(batcher) == 9
        await batcher.wait_empty()
        nursery.cancel_scope.cancel()
    assert [time for time, _ in flushed] == [0.0, 0.0, 7.0]
    assert trio.current_time() == 14


async def test_empty_batcher_is_not_waited_for(autojump_clock: MockClock) -> None:
    batcher = make([])
    with trio.fail_after(0.1):
        await batcher.wait_empty()


async def test_entry_that_can_not_be_flushed_fails_alone(autojump_clock: MockClock) -> None:
    flushed: list[list[int]] = []
    failed: list[tuple[int, str]] = []

    async def flush(batch: list[int]) -> None:
        await trio.sleep(1)
        if 2 in batch:
            raise ValueError("2 can't be sent")
        flushed.append(batch)

    batcher: Batcher[int] = Batcher(
        flush,
        size=3,
        age=0,
        idle=lambda: True,
        on_failure=lambda entry, error: failed.append((entry, str(error))),
        concurrency=1,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        for entry in range(1, 6):
            batcher.put(entry)
        await batcher.wait_empty()
        nursery.cancel_scope.cancel()
    assert flushed == [[1], [3], [4, 5]]
    assert failed == [(2, "2 can't be sent")]
