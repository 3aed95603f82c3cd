"""An unexpected error about one chunk, at any await of any stage, fails no other chunk, ends no worker, loses nothing.

A chunk of the run "poison" goes through the worker between chunks of other runs. One call about it raises: the first,
the second, … until the chunk needs no more calls.
"""

import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.handler import Context
from cloudkon.model import Run, TaskState
from cloudkon.protocol import LedgerDriver
from images.worker.execution.attempt import Attempts
from images.worker.queues.outputs import Outputs
from images.worker.queues.queue_client import QueueClient
from images.worker.queues.redelivery import Redelivery
from tests.support.memory_fleet import Fleet, until

KINDS: list[Callable[[], Exception]] = [
    lambda: TypeError("Integer exceeds 64-bit range"),
    lambda: OSError(errno.ENOSPC, "No space left on device"),
    lambda: KeyError("poison"),
    lambda: RecursionError("maximum recursion depth exceeded"),
    lambda: ExceptionGroup("several", [ValueError("one")]),
]
AWAITED = [
    (Attempts, "run"),
    (LedgerDriver, "run"),
    (Outputs, "fit"),
    (QueueClient, "publish"),
    (QueueClient, "delete"),
    (QueueClient, "give_back"),
    (QueueClient, "hide"),
    (QueueClient, "reject"),
    (Redelivery, "put_back"),
]
"""What the stages await besides the ports' calls."""
SHORT: dict[str, Any] = {"lease_seconds": 10, "skew_seconds": 1}
"""A sixth of the usual lease: all waits are as much shorter, and an hour's worth of them takes ten minutes."""


class Poison:
    """Raises at the calls about the poisoned chunk that ``wanted`` chooses, counted from 1."""

    def __init__(self, fleet: Fleet, wanted: Callable[[int], bool], *, after: bool) -> None:
        self.armed = False
        self.calls = 0
        self.raised: list[str] = []
        self._wanted = wanted
        self._after = after
        fleet.queue.around.update(dict.fromkeys(("delete", "set_visibility"), self.around))
        fleet.results.around["send"] = fleet.dead_letters.around["send"] = self.around
        fleet.ledger.around.update(dict.fromkeys(("write", "read", "read_run"), self.around))
        fleet.store.around["put"] = self.around

    async def around(self, call: Callable[..., Awaitable[Any]], *arguments: object) -> object:
        if not self.armed or "poison" not in repr(arguments):
            return await call(*arguments)
        self.calls += 1
        kind = KINDS[self.calls % len(KINDS)]
        raises = self._wanted(self.calls)
        if raises:
            self.raised.append(f"{getattr(call, '__qualname__', call)}")
        if raises and not self._after:
            raise kind()
        answer = await call(*arguments)
        if raises:
            raise kind()
        return answer

    def wrap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name in AWAITED:
            monkeypatch.setattr(owner, name, self._wrapped(getattr(owner, name)))

    def _wrapped(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(instance: object, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (any method's)
            async def call(*passed: object) -> object:
                return await method(instance, *passed, **named)

            call.__qualname__ = method.__qualname__
            return await self.around(call, *arguments)

        return wrapped


async def speak(arguments: str, context: Context) -> str:
    """Take some seconds and return a text that is too long for the ledger."""
    await trio.sleep(float(arguments))
    return "y" * 5000


async def push_all(fleet: Fleet, trouble: Poison) -> tuple[Run, list[Run]]:
    before = await fleet.push(*["work 2"] * 6, chunk=2, run="before")
    poison = await fleet.push("speak 12", "work 1", chunk=2, run="poison", copies=2)
    behind = await fleet.push(*["work 2"] * 6, chunk=2, run="behind")
    trouble.armed = True
    return poison, [before, behind]


async def play(fleet: Fleet, trouble: Poison, scene: str) -> None:
    """Run the chunks in one of the ways in which a worker deals with them, until every task has its result."""
    handlers = fleet.work.handlers(speak=speak)
    poison, others = await push_all(fleet, trouble)
    async with trio.open_nursery() as nursery:
        if scene == "drained":
            first = fleet.worker("first", handlers, slots=8, stop_seconds=10, **SHORT)
            nursery.start_soon(first.run)
            await until(lambda: fleet.work.starts.total() >= 1, within=100)
            first.stop()
        if scene == "died":
            dead = fleet.start(nursery, fleet.worker("first", handlers, slots=8, **SHORT))
            await until(lambda: fleet.work.starts.total() >= 1, within=100)
            dead.cancel()
        scope = fleet.start(nursery, fleet.worker("second", handlers, slots=8, **SHORT))
        if scene == "cancelled":
            await fleet.ledger.cancel_run(poison.id)
        if scene == "held":
            await until(lambda: fleet.work.starts.total() >= 1, within=100)
            fleet.queue.show_all()
            scope_of_third = fleet.start(nursery, fleet.worker("third", handlers, slots=8, **SHORT))
        for run in others:
            results = await fleet.finish_run(run, within=400)
            assert {(one.state, one.output) for one in results.values()} == {(TaskState.SUCCEEDED, "done")}
            assert {one.attempts for one in results.values()} == {1}
        results = await fleet.finish(poison, within=1000)
        # A task that ran because the flag could not be read has its own result.
        assert results[0].state is (TaskState.CANCELLED if scene == "cancelled" else TaskState.SUCCEEDED)
        assert results[1].state is TaskState.SUCCEEDED or scene == "cancelled"
        # A claim that is not released is found by its lease's end, and then this worker counts as dead.
        assert (await fleet.record(poison)).progress.losses <= (scene == "died")
        scope.cancel()
        if scene == "held":
            scope_of_third.cancel()
    assert not await fleet.rejected()


@pytest.mark.parametrize("after", [False, True], ids=["before-its-effect", "after-its-effect"])
@pytest.mark.parametrize(
    "scene",
    ["fresh", *(pytest.param(scene, marks=pytest.mark.long) for scene in ("held", "drained", "died", "cancelled"))],
)
async def test_worker_survives_an_unexpected_error_at_each_await_about_one_chunk(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, scene: str, after: bool
) -> None:
    raised: list[str] = []
    for number in range(1, 200):
        fleet = Fleet(tmp_path)
        with monkeypatch.context() as patched:
            poison = Poison(fleet, number.__eq__, after=after)
            poison.wrap(patched)
            try:
                await play(fleet, poison, scene)
            except BaseException as error:
                error.add_note(f"call {number} about the chunk raised: {poison.raised}")
                raise
        if not poison.raised:
            break
        raised += poison.raised
    assert len(set(raised)) >= 5


@pytest.mark.parametrize("first", [1, 3, 6, 15])
async def test_chunk_whose_every_call_fails_is_not_lost(
    fleet: Fleet, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """From some call on all of them raise, also those that would make a dead letter: the message stays on its queue."""
    poison = Poison(fleet, lambda call: call >= first, after=False)
    poison.wrap(monkeypatch)
    _, others = await push_all(fleet, poison)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(handlers=fleet.work.handlers(speak=speak), slots=8, **SHORT))
        for run in others:
            results = await fleet.finish_run(run, within=400)
            assert {one.state for one in results.values()} == {TaskState.SUCCEEDED}
        await trio.sleep(600)
        scope.cancel()
    assert poison.raised
    assert not (await fleet.queue.depth()).empty


async def test_chunk_that_can_never_be_recorded_becomes_a_dead_letter_with_the_reason(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    """A task's results can't be encoded, each time: in the end its messages are dead letters. All others are done."""

    async def write(call: Callable[..., Awaitable[Any]], writes: Any) -> object:  # noqa: ANN401  (any call's)
        if any(one.key.run == "poison" and one.record.progress.results for one in writes):
            raise TypeError("Integer exceeds 64-bit range")
        return await call(writes)

    fleet.ledger.around["write"] = write
    poison = await fleet.push("work 1", run="poison")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(**SHORT))
        await until(lambda: fleet.dead_letters.calls["send"], within=2 * 3600, step=60)
        other = await fleet.push("work 1", run="other")
        await fleet.finish(other, within=30)
        scope.cancel()
    (dead_letter,) = await fleet.rejected()
    assert dead_letter.attributes["reason"] == (
        "unexpected error while the worker tried to complete: TypeError: Integer exceeds 64-bit range"
    )
    record = await fleet.record(poison)
    assert record.released
    assert record.progress.losses == 0, "no worker counts as dead"
