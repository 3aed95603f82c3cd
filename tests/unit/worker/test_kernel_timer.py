"""Exact short sleeps."""

from pathlib import Path

import pytest
import trio
import trio.testing

from images.worker.handlers import kernel_timer
from images.worker.handlers.kernel_timer import sleep_exactly


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.0123, 0.11])
async def test_sleep_never_ends_early(seconds: float) -> None:
    began = trio.current_time()
    await sleep_exactly(seconds)
    assert trio.current_time() - began >= seconds - 0.0001


async def test_sleep_never_ends_early_even_with_the_longest_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_timer, "_LEAD", kernel_timer._Lead())
    for _ in range(100):
        kernel_timer._LEAD.learn(early=False)
    assert 0 < kernel_timer._LEAD.of(0.01) < 0.001
    assert kernel_timer._LEAD.of(0.0005) == 0
    for _ in range(5):
        began = trio.current_time()
        await sleep_exactly(0.005)
        assert trio.current_time() - began >= 0.0049


async def test_sleep_leaves_no_descriptor_even_when_cancelled() -> None:
    await sleep_exactly(0.001)
    before = open_descriptors()
    await sleep_exactly(0.001)
    with trio.CancelScope() as scope:
        scope.cancel()
        await sleep_exactly(0.09)
    assert scope.cancelled_caught
    assert open_descriptors() == before


async def test_many_sleeps_run_at_a_time() -> None:
    asleep, most = 0, 0

    async def sleeper(seconds: float) -> None:
        nonlocal asleep, most
        began = trio.current_time()
        asleep += 1
        most = max(most, asleep)
        await sleep_exactly(seconds)
        asleep -= 1
        assert trio.current_time() - began >= seconds - 0.0001

    async with trio.open_nursery() as nursery:
        for seconds in (0.09, 0.001, 0.05):
            nursery.start_soon(sleeper, seconds)
    assert most == 3


@pytest.mark.parametrize("timers", [True, False])
async def test_sleep_follows_a_virtual_clock(
    timers: bool, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    if not timers:
        monkeypatch.setattr(kernel_timer, "_LIBC", None)
    await sleep_exactly(0.09)
    assert 0.0899 <= autojump_clock.current_time() <= 0.0921
    await sleep_exactly(3600)
    assert autojump_clock.current_time() >= 3600


async def test_sleep_works_without_a_free_descriptor(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    class Exhausted:
        def timerfd_create(self, *_arguments: int) -> int:
            return -1

    monkeypatch.setattr(kernel_timer, "_LIBC", Exhausted())
    await sleep_exactly(0.05)
    assert autojump_clock.current_time() == pytest.approx(0.05)
