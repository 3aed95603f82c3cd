"""Slots whose processes can't be started: no task pays for it, other slots go on, and a useless worker ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import EXIT_FAILED
from cloudkon.handler import Context
from cloudkon.model import Run, TaskState
from images.worker.execution.outcome import HandlerOutcome
from images.worker.execution.slot_process import SlotNotStarted
from images.worker.pipeline.slot_starts import GIVE_UP_SECONDS
from images.worker.pipeline.worker import Worker
from tests.support.memory_fleet import Fleet, until

FULL = "BlockingIOError: [Errno 11] Resource temporarily unavailable"


class Machine:
    """Starts processes for slots while ``can_start`` says so of a slot's number; ``crash`` ends its process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.can_start: Callable[[int], bool] = lambda _: True
        self.tries: list[int] = []
        self.slots: list[Slot] = []
        monkeypatch.setattr("images.worker.pipeline.executor.open_slot_process", self._open)

    @asynccontextmanager
    async def _open(self, *_: object) -> AsyncIterator["Slot"]:
        self.slots.append(Slot(self, len(self.slots)))
        yield self.slots[-1]


class Slot:
    def __init__(self, machine: Machine, number: int) -> None:
        self._machine, self._number = machine, number
        self.is_running = False
        self.dies_unnoticed = False
        self.ran: list[str] = []

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.dies_unnoticed:
            self.is_running = self.dies_unnoticed = False
        if self.is_running:
            return
        self._machine.tries.append(self._number)
        if not self._machine.can_start(self._number):
            raise SlotNotStarted(FULL)
        self.is_running = True

    async def run(self, handler: Callable[..., str], arguments: str, context: Context) -> HandlerOutcome:
        self._machine.slots[self._number].ran.append(str(context.task))
        await self.warm()
        await trio.sleep(1)
        return HandlerOutcome(handler(arguments, context))


def plain(arguments: str, context: Context) -> str:
    return f"{arguments} {context.attempt}"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> Machine:
    return Machine(monkeypatch)


def make(fleet: Fleet, **settings: Any) -> Worker:  # noqa: ANN401  (any setting)
    return fleet.worker(handlers={"plain": plain}, **settings)


async def test_tasks_wait_for_a_start_that_succeeds_later(fleet: Fleet, machine: Machine) -> None:
    machine.can_start = lambda _: len(machine.tries) > 2
    run = await fleet.push(*["plain x"] * 3)
    await make(fleet, until_empty=True).run()
    results = await fleet.finish(run, within=1)
    assert [(one.output, one.attempts) for one in results.values()] == [("x 1", 1)] * 3
    assert len(machine.tries) == 3


async def test_other_slots_run_everything_while_one_cannot_start(fleet: Fleet, machine: Machine) -> None:
    machine.can_start = lambda number: number != 1
    run = await fleet.push(*["plain x"] * 20)
    one = make(fleet, slots=2)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, one)
        results = await fleet.finish(run, within=60)
        await trio.sleep(10 * GIVE_UP_SECONDS)
        assert one.failure is None
        scope.cancel()
    assert {one.attempts for one in results.values()} == {1}
    assert len(machine.slots[0].ran) == 20
    assert 50 < machine.tries.count(1) < 300, "it tries again, ever more rarely"


async def test_careful_chunk_does_not_wait_for_a_slot_that_cannot_start(fleet: Fleet, machine: Machine) -> None:
    machine.can_start = lambda number: number != 1
    run = await push_careful(fleet)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, make(fleet, slots=2))
        results = await fleet.finish(run, within=200)
        scope.cancel()
    assert {one.state for one in results.values()} == {TaskState.SUCCEEDED}


@pytest.mark.parametrize("careful", [False, True], ids=["normal", "careful"])
async def test_process_that_ends_and_cannot_be_replaced_costs_no_attempt(
    fleet: Fleet, machine: Machine, careful: bool
) -> None:
    """The slot has taken a task when it finds that its process is gone; a later process runs it."""
    run = await (push_careful(fleet) if careful else fleet.push("plain 100", "plain 100", chunk=2))
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, make(fleet))
        await until(lambda: machine.slots and machine.slots[0].is_running, step=0.001)
        machine.slots[0].dies_unnoticed = True
        machine.can_start = lambda _: len(machine.tries) > 4
        results = await fleet.finish(run, within=200)
        scope.cancel()
    assert [(one.output, one.attempts) for one in results.values()] == [("100 1", 1)] * 2
    assert len(machine.tries) == 5
    record = await fleet.record(run)
    assert (record.progress.suspect, record.progress.losses) == (None, int(careful))


async def push_careful(fleet: Fleet) -> Run:
    """Push a chunk, and let a worker die while it has that."""
    run = await fleet.push("plain 100", "plain 100", chunk=2)
    async with trio.open_nursery() as nursery:
        dead = fleet.start(nursery, fleet.worker("dead", {"plain": fleet.work.work}))
        await until(lambda: fleet.work.running == 1)
        dead.cancel()
    return run


async def test_new_worker_without_any_slot_ends_soon_and_gives_everything_back(fleet: Fleet, machine: Machine) -> None:
    machine.can_start = lambda _: False
    run = await fleet.push(*["plain x"] * 4)
    one = make(fleet, slots=2, poll_seconds=0)
    await one.run()
    assert trio.current_time() < 5, "the supervisor and rollouts call that an early exit"
    assert str(one.failure) == f"no process for the slots can be started: {FULL}"
    assert one.failure
    assert one.failure.exit_code == EXIT_FAILED
    assert (await fleet.queue.depth()).visible == 4
    machine.can_start = lambda _: True
    await make(fleet, until_empty=True).run()
    results = await fleet.finish(run, within=1)
    assert {(one.output, one.attempts) for one in results.values()} == {("x 1", 1)}


async def test_worker_that_has_worked_waits_before_it_gives_up_and_receives_nothing(
    fleet: Fleet, machine: Machine
) -> None:
    first = await fleet.push("plain x", run="first")
    one = make(fleet, slots=2, poll_seconds=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await fleet.finish(first, within=10)
        machine.can_start = lambda _: False
        broken = trio.current_time()
        for slot in machine.slots:
            slot.dies_unnoticed = True
        second = await fleet.push(*["plain x"] * 4, run="second")
        await trio.sleep(10)
        received = fleet.queue.calls["receive"]
    assert GIVE_UP_SECONDS <= trio.current_time() - broken < GIVE_UP_SECONDS + 20
    assert fleet.queue.calls["receive"] == received
    assert one.failure
    assert (await fleet.queue.depth()).visible == second.count
    assert {record.progress.losses for record in await fleet.records(second)} <= {0}
