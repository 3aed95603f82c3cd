"""Heartbeats renew leases and hide messages, and stop work whose lease can't be trusted."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.memory.virtual_clock import VirtualClock
from cloudkon.model import Run, TaskState
from cloudkon.ports import QueueOutcome
from tests.support.fault_injection import Call
from tests.support.memory_fleet import LEASE, MARGIN, RECOVERY, Fleet, until


async def fail(call: Call, *arguments: object) -> None:
    raise Unavailable("the service does not answer")


async def hang(call: Call, *arguments: object) -> None:
    await trio.sleep(300)
    raise Unavailable("time-out")


async def test_task_longer_than_many_leases_runs_once(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 600")
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name)) for name in ("one", "two")]
        await fleet.finish(run, within=610)
        for scope in scopes:
            scope.cancel()
    assert fleet.work.starts[0] == 1
    assert len(fleet.published) == 1


async def test_clocks_that_differ_by_the_margin_start_nothing_twice(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 200"] * 4, copies=2)
    async with trio.open_nursery() as nursery:
        for name, skew in (("slow", -MARGIN / 2), ("fast", MARGIN / 2)):
            nursery.start_soon(fleet.worker(name, clock=VirtualClock(skew), until_empty=True).run)
    await fleet.finish(run, within=0.1)
    assert set(fleet.work.starts.values()) == {1}


async def test_ledger_outage_shorter_than_a_lease_costs_nothing(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 200")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.running == 1)
        await trio.sleep(21)
        fleet.ledger.around["write"] = fail
        await trio.sleep(LEASE - MARGIN - 25)
        del fleet.ledger.around["write"]
        await fleet.finish(run)
        scope.cancel()
    assert fleet.work.starts[0] == 1


async def test_ledger_outage_longer_than_a_lease_stops_the_work_and_another_worker_runs_it(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 200")
    async with trio.open_nursery() as nursery:
        one = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        owner = (await fleet.record(run)).owner
        cut = trio.current_time()
        fleet.ledger.around["write"] = fleet.ledger.around["read"] = fail
        await until(lambda: fleet.work.running == 0)
        assert trio.current_time() - cut < LEASE - MARGIN + LEASE / 12
        assert (await fleet.record(run)).owner == owner
        one.cancel()
        fleet.ledger.around.clear()
        two = fleet.start(nursery, fleet.worker("two"))
        results = await fleet.finish(run, within=RECOVERY + 210)
        two.cancel()
    assert fleet.work.starts[0] == 2
    assert results[0].worker == "two"


async def test_outages_longer_than_a_lease_are_not_blamed_on_the_task(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 100")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one"))
        for _ in range(5):
            await until(lambda: fleet.work.running == 1)
            fleet.ledger.around["write"] = fleet.ledger.around["read"] = fail
            await until(lambda: fleet.work.running == 0)
            await trio.sleep(5)
            fleet.ledger.around.clear()
            await until(lambda: _is_released(fleet, run), within=LEASE)
        results = await fleet.finish(run)
        scope.cancel()
    assert (results[0].state, results[0].attempts) == (TaskState.SUCCEEDED, 1)
    assert (await fleet.record(run)).progress.losses == 0


async def _is_released(fleet: Fleet, run: Run) -> bool:
    record = await fleet.record(run)
    return record.released or fleet.work.running == 1


async def test_hanging_renewal_does_not_delay_the_end_of_the_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.push("work 500")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.running == 1)
        begun = trio.current_time()
        fleet.ledger.around["write"] = hang
        await until(lambda: fleet.work.running == 0)
        assert trio.current_time() - begun < LEASE - MARGIN + LEASE / 12
        scope.cancel()


async def test_work_under_a_long_lease_ends_before_another_worker_may_take_it_over(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    lease = 7200.0
    await fleet.push("work 20000")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(lease_seconds=lease))
        await until(lambda: fleet.work.running == 1)
        begun = trio.current_time()
        fleet.ledger.around["write"] = hang
        await until(lambda: fleet.work.running == 0, step=0.5)
        assert trio.current_time() - begun < lease + MARGIN
        scope.cancel()


async def test_claim_answered_after_its_lease_starts_no_task(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def answer_late(call: Call, writes: Sequence[object]) -> object:
        fleet.ledger.around.clear()
        answer = await call(writes)
        await trio.sleep(LEASE)
        return answer

    run = await fleet.push("work 10")
    fleet.ledger.around["write"] = answer_late
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await fleet.finish(run, within=LEASE + RECOVERY)
        scope.cancel()
    assert fleet.work.starts[0] == 1, "it ran under a lease that had ended"
    assert (await fleet.record(run)).progress.losses == 0


async def test_worker_whose_chunk_was_taken_over_writes_publishes_and_deletes_nothing(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    # A worker that is paused for longer than its lease: its clock shows it, but its calls come too late.
    run = await fleet.push("work 100", copies=2)
    async with trio.open_nursery() as nursery:
        one = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        fleet.ledger.around["write"] = hang
        await until(lambda: fleet.work.running == 0)
        one.cancel()
        del fleet.ledger.around["write"]
        two = fleet.start(nursery, fleet.worker("two"))
        results = await fleet.finish(run)
        two.cancel()
    assert results[0].worker == "two"
    assert {one.worker for one in fleet.published} == {"two"}


async def test_receiving_stops_while_the_ledger_fails(fleet: Fleet, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=20))
        await trio.sleep(1)
        fleet.ledger.around["write"] = fleet.ledger.around["read"] = fail
        await fleet.push(*["work 1"] * 200)
        await trio.sleep(30)
        assert (await fleet.queue.depth()).in_flight < 100
        scope.cancel()


async def test_stale_handle_stops_no_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def gone(call: Call, deliveries: Sequence[object], *more: object) -> list[QueueOutcome]:
        return [QueueOutcome.GONE] * len(deliveries)

    run = await fleet.push("work 400")
    fleet.queue.around["set_visibility"] = gone
    async with trio.open_nursery() as nursery:
        one = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        two = fleet.start(nursery, fleet.worker("two"))
        await trio.sleep(100)
        del fleet.queue.around["set_visibility"]
        results = await fleet.finish(run)
        one.cancel()
        two.cancel()
    assert fleet.work.starts[0] == 1
    assert results[0].worker == "one"


async def test_task_longer_than_the_longest_visibility_timeout_runs_once(
    fleet: Fleet, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQS allows twelve hours, which would take many heartbeats of virtual time.
    monkeypatch.setattr("cloudkon.memory.queue.MOST_VISIBILITY", 300)
    run = await fleet.push("work 700")
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name)) for name in ("one", "two")]
        await until(lambda: fleet.work.running, within=30)
        await trio.sleep(650)
        # The queue delivers it again, and the receiver finds the chunk held.
        assert max(message.receives for message in fleet.queue.inner._messages.values()) > 1  # type: ignore[attr-defined]  # it reads the messages
        await fleet.finish(run, within=200)
        for scope in scopes:
            scope.cancel()
    assert fleet.work.starts[0] == 1
    assert (await fleet.record(run)).attempt == 1


async def test_failed_hide_is_tried_again_before_the_message_shows(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 300")
    failures = iter([True, False] * 100)

    async def fail_every_other(call: Call, deliveries: Sequence[object], *more: object) -> object:
        if next(failures):
            raise Unavailable("the queue does not answer")
        return await call(deliveries, *more)

    fleet.queue.around["set_visibility"] = fail_every_other
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        for _ in range(290):
            await trio.sleep(1)
            assert (await fleet.queue.depth()).visible == 0
        await fleet.finish(run)
        scope.cancel()


async def test_chunk_that_waits_for_a_slot_is_renewed(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 90"] * 4, chunk=2)
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name)) for name in ("one", "two", "three")]
        await fleet.finish(run)
        for scope in scopes:
            scope.cancel()
    assert set(fleet.work.starts.values()) == {1}


async def test_two_hundred_chunks_are_renewed_in_batches(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.0001"] * 200, *["work 100"] * 200)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=200))
        await until(lambda: fleet.work.running == 200)
        fleet.ledger.calls.clear()
        await trio.sleep(LEASE * 2 / 3)
        assert fleet.ledger.calls["write"] <= 4 * 200 / 25
        await fleet.finish(run)
        scope.cancel()
    assert set(fleet.work.starts.values()) == {1}
