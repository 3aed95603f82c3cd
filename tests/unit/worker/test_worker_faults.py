"""Calls that fail in part, as a whole, or after they took effect: every task still ends exactly once."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import AccessDenied, MalformedMessage
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, TaskState
from cloudkon.ports import Insert, QueueOutcome, Update, Write, WriteOutcome
from tests.support.fault_injection import Call, CallFault, failing_batch, failing_call, fault_sequence, random_faults
from tests.support.memory_fleet import Fleet, until

AMBIGUOUS = [CallFault.REQUEST_LOST, CallFault.RESPONSE_LOST]
LOST = WriteOutcome.FAILED


async def run_all(
    fleet: Fleet,
    *instructions: str,
    within: float = 200,
    **settings: Any,  # noqa: ANN401  (any setting)
) -> None:
    run = await fleet.push(*instructions)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(**settings))
        results = await fleet.finish(run, within)
        scope.cancel()
    assert {one.state for one in results.values()} == {TaskState.SUCCEEDED}
    assert {one.attempts for one in results.values()} == {1}


@pytest.mark.parametrize("of", ["entry", "whole"])
@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_failed_claim_is_made_again(fleet: Fleet, autojump_clock: MockClock, fault: CallFault, of: str) -> None:
    fleet.ledger.around["write"] = failing_batch(fault_sequence(fault, fault, fault, of=of), LOST)
    await run_all(fleet, "work 5", within=12)
    assert fleet.work.starts[0] == 1


@pytest.mark.parametrize("kind", ["completion", "renewal", "steal"])
@pytest.mark.parametrize("of", ["entry", "whole"])
@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_failed_write_after_the_claim_is_made_again(
    fleet: Fleet, autojump_clock: MockClock, fault: CallFault, of: str, kind: str
) -> None:
    def matches(write: Write) -> bool:
        if not isinstance(write, Update):
            return False
        if kind == "completion":
            return write.record.state is ChunkState.DONE
        return (write.lease_end if kind == "steal" else write.lease_not_after) is not None

    around = failing_batch(fault_sequence(fault, fault, fault, of=of), LOST)

    async def some(call: Call, writes: Sequence[Write]) -> object:
        if any(matches(write) for write in writes):
            return await around(call, writes)
        return await call(writes)

    fleet.ledger.around["write"] = some
    if kind == "steal":
        run = await fleet.push("work 5")
        async with trio.open_nursery() as nursery:
            dead = fleet.start(nursery, fleet.worker("dead"))
            await until(lambda: fleet.work.running == 1)
            dead.cancel()
        async with trio.open_nursery() as nursery:
            scope = fleet.start(nursery, fleet.worker("one"))
            await fleet.finish(run, within=100)
            scope.cancel()
        assert fleet.work.starts[0] == 2
    else:
        await run_all(fleet, "work 30")
        assert fleet.work.starts[0] == 1


@pytest.mark.parametrize("of", ["entry", "whole"])
@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_failed_release_is_made_again(fleet: Fleet, autojump_clock: MockClock, fault: CallFault, of: str) -> None:
    run = await fleet.push("work 5", "work 100", chunk=2)
    one = fleet.worker("one")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await until(lambda: fleet.work.starts[1] == 1)
        fleet.ledger.around["write"] = failing_batch(fault_sequence(fault, fault, fault, of=of), LOST)
        one.stop()
    assert (await fleet.record(run)).released
    await fleet.worker("two", until_empty=True).run()
    await fleet.finish(run, within=0.1)
    assert fleet.work.starts[0] == 1


@pytest.mark.parametrize("of", ["entry", "whole"])
@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_failed_publication_is_made_again_before_the_message_is_deleted(
    fleet: Fleet, autojump_clock: MockClock, fault: CallFault, of: str
) -> None:
    sends = failing_batch(fault_sequence(fault, fault, fault, of=of), QueueOutcome.FAILED)

    async def watched(call: Call, messages: Sequence[object]) -> object:
        assert not (await fleet.queue.depth()).empty
        return await sends(call, messages)

    fleet.results.around["send"] = watched
    await run_all(fleet, *["work 1"] * 5, slots=5)
    assert {one.task.seq for one in fleet.published} == set(range(5))


@pytest.mark.parametrize("of", ["entry", "whole"])
@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_failed_deletion_is_made_again(
    fleet: Fleet, autojump_clock: MockClock, fault: CallFault, of: str
) -> None:
    fleet.queue.around["delete"] = failing_batch(fault_sequence(fault, fault, fault, of=of), QueueOutcome.FAILED)
    await run_all(fleet, *["work 1"] * 5, within=20, slots=5)


async def test_undeleted_message_comes_again_and_finds_done(fleet: Fleet, autojump_clock: MockClock) -> None:
    fleet.queue.around["delete"] = failing_batch(lambda _: CallFault.REQUEST_LOST, QueueOutcome.FAILED)
    run = await fleet.push("work 1", "work 1")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await trio.sleep(400)
        assert len(await fleet.recorded(run)) == 2
        del fleet.queue.around["delete"]
        await fleet.finish(run)
        scope.cancel()
    assert set(fleet.work.starts.values()) == {1}
    assert len(fleet.published) > 2


async def test_deleting_a_message_that_is_gone_is_no_error(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def gone(call: Call, deliveries: Sequence[object]) -> list[QueueOutcome]:
        await call(deliveries)
        return [QueueOutcome.GONE] * len(deliveries)

    fleet.queue.around["delete"] = gone
    await run_all(fleet, "work 1", within=5)
    assert fleet.queue.calls["delete"] == 1


async def test_receive_whose_answer_is_lost_costs_one_visibility_timeout(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    fleet.queue.around["receive"] = failing_call(fault_sequence(CallFault.RESPONSE_LOST, of="whole"))
    await run_all(fleet, "work 1", within=90)


async def test_unreadable_cancelled_flag_stops_no_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def denied(call: Call, run: str) -> None:
        raise AccessDenied("dynamodb:GetItem")

    fleet.ledger.around["read_run"] = denied
    await run_all(fleet, "work 10", within=15)


async def test_unreadable_item_delays_no_other_chunk(fleet: Fleet, autojump_clock: MockClock) -> None:
    # An item of a newer worker, or one that was edited by hand: its own chunk waits, the others go on.
    async def broken(call: Call, keys: Sequence[object]) -> object:
        records = await call(keys)
        if any(record and record.owner == "newer" for record in records):
            raise MalformedMessage("the item has version 2; this worker reads version 1")
        return records

    run = await fleet.push(*["work 1"] * 20)
    fleet.ledger.around["read"] = broken
    await fleet.ledger.write([Insert(ChunkRecord(ChunkKey(run.id, 0, 1), ChunkState.CLAIMED, "newer", 1, 2**53))])
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=20))
        await until(lambda: len(fleet.work.starts) == 19, within=30)
        scope.cancel()


@pytest.mark.parametrize("seed", range(15))
async def test_every_task_ends_exactly_once_under_random_faults(
    fleet: Fleet, autojump_clock: MockClock, seed: int
) -> None:
    """One call and one entry in four fails, workers stop and die, and every message has a copy."""
    rng = random.Random(seed)
    faults = random_faults(rng, 0.25)
    fleet.ledger.around = {"write": failing_batch(faults, LOST), "read": failing_call(faults)}
    for queue in (fleet.queue, fleet.results):
        queue.around = {
            name: failing_batch(faults, QueueOutcome.FAILED) for name in ("send", "delete", "set_visibility")
        } | {"receive": failing_call(faults)}
    del fleet.queue.around["send"]  # only the test itself calls these
    del fleet.results.around["receive"], fleet.results.around["delete"]  # only the test itself calls these
    run = await fleet.push(
        *[f"work {rng.choice([0.01, 1, 30])}" for _ in range(40)], chunk=rng.choice([1, 4]), copies=2
    )
    async with trio.open_nursery() as nursery:
        workers = [fleet.worker(f"{seed}-{number}", slots=rng.choice([1, 3])) for number in range(4)]
        scopes = [fleet.start(nursery, worker) for worker in workers]
        await trio.sleep(rng.uniform(0, 40))
        scopes[0].cancel()
        await trio.sleep(rng.uniform(0, 40))
        workers[1].stop()
        results = await fleet.finish(run)
        for scope in scopes:
            scope.cancel()
    assert {(one.state, one.attempts) for one in results.values()} == {(TaskState.SUCCEEDED, 1)}
