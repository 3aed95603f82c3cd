"""A chunk that its run does not have, or that was claimed with other tasks, is a dead letter and changes nothing."""

import errno
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import AccessDenied, MalformedMessage, Unavailable
from cloudkon.memory.virtual_clock import EPOCH
from cloudkon.model import WORKER, Chunk, ChunkKey, ChunkRecord, ChunkState, Outgoing, Progress, Run, TaskState
from cloudkon.ports import Insert
from cloudkon.wire.message import chunk_digest, encode_message
from cloudkon.wire.payload import encode_payload_ref, make_payload_ref
from tests.support.memory_fleet import Fleet, until

Call = Callable[..., Awaitable[Any]]


def body(number: int, first: int, *tasks: str, run: str = "run", shards: int = 1) -> str:
    return encode_message(Chunk(ChunkKey(run, number, shards), first, tasks))


async def run_beside(fleet: Fleet, *bodies: str) -> list[str]:
    """Run a run of ten tasks in chunks of four, and these messages; return the reasons of the dead letters."""
    await fleet.queue.send([Outgoing(one) for one in bodies])
    run = await fleet.push(*["work 1"] * 10, chunk=4)
    await fleet.worker(until_empty=True).run()
    results = await fleet.finish(run, within=1)
    assert {one.state for one in results.values()} == {TaskState.SUCCEEDED}
    assert {one.key.number for one in await fleet.records(run)} == {0, 1, 2}
    assert fleet.work.starts.total() == 10
    return [one.attributes["reason"] for one in await fleet.rejected()]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (body(999, 10, "work 1"), "run run has no chunk 999: it has 3"),
        (body(3, 0, "work 1"), "run run has no chunk 3: it has 3"),
        (body(2, 8, "work 1"), "chunk 2 of run run has 2 tasks from 8 on, and not 1 from 8 on"),
        (body(2, 6, "work 1", "work 1"), "chunk 2 of run run has 2 tasks from 8 on, and not 2 from 6 on"),
        (body(0, 0, *["work 1"] * 4, shards=2), "run run has 1 shards and not 2"),
    ],
)
async def test_chunk_beyond_its_run_is_a_dead_letter(
    fleet: Fleet, autojump_clock: MockClock, message: str, reason: str
) -> None:
    # The run exists before the message comes.
    await fleet.ledger.create_run(
        Run.plan(run_id="run", counts={WORKER.name: 10}, chunk_size=4, digest="", started=EPOCH)
    )
    assert await run_beside(fleet, message) == [reason]


async def test_chunk_of_another_pool_is_a_dead_letter(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.ledger.create_run(
        Run.plan(run_id="two", counts={WORKER.name: 1, "animoto": 1}, chunk_size=1, digest="", started=EPOCH)
    )
    reason = "chunk 1 of run two is for the pool animoto"
    assert await run_beside(fleet, body(1, 1, "work 2", run="two")) == [reason]


async def test_place_is_checked_at_one_read_a_run(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.001"] * 200)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(cancel_poll_seconds=1000))
        await fleet.finish(run, within=100)
        scope.cancel()
    assert fleet.ledger.calls["read_run"] == 1


async def test_place_is_checked_although_the_first_read_of_the_run_fails(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def unavailable(call: Call, run: str) -> object:
        if fleet.ledger.calls["read_run"] <= 2:
            raise Unavailable("throttled")
        return await call(run)

    await fleet.ledger.create_run(
        Run.plan(run_id="run", counts={WORKER.name: 10}, chunk_size=4, digest="", started=EPOCH)
    )
    fleet.ledger.around["read_run"] = unavailable
    assert await run_beside(fleet, body(7, 28, "work 1")) == ["run run has no chunk 7: it has 3"]


@pytest.mark.parametrize("error", [AccessDenied("dynamodb:GetItem"), MalformedMessage("version 2"), KeyError("facts")])
async def test_run_whose_item_can_not_be_read_is_run(fleet: Fleet, autojump_clock: MockClock, error: Exception) -> None:
    async def unreadable(call: Call, run: str) -> object:
        raise error

    fleet.ledger.around["read_run"] = unreadable
    assert await run_beside(fleet) == []


async def test_second_message_with_the_same_key_and_other_tasks_is_a_dead_letter(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    """It is neither deleted unrun nor run, whether it comes while the first is in flight or after that is done."""
    await fleet.queue.send([Outgoing(body(3, 0, "work 5", run="byhand"))])
    await fleet.queue.send([Outgoing(body(3, 0, "work 6", run="byhand"))])
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.dead_letters.calls["send"] == 1, within=100)
        await fleet.queue.send([Outgoing(body(3, 0, "work 5", "work 5", run="byhand"))])
        await until(lambda: fleet.dead_letters.calls["send"] == 2, within=100)
        await fleet.queue.send([Outgoing(body(3, 0, "work 5", run="byhand"))])
        await trio.sleep(100)
        assert (await fleet.queue.depth()).empty
        scope.cancel()
    assert fleet.work.attempts == {0: [1]}
    assert [(one.body, one.attributes["reason"]) for one in await fleet.rejected()] == [
        (body(3, 0, "work 6", run="byhand"), "chunk 3 of run byhand was claimed with other tasks"),
        (body(3, 0, "work 5", "work 5", run="byhand"), "chunk 3 of run byhand was claimed with other tasks"),
    ]


async def test_item_of_a_version_without_digests_is_taken_over(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 1", "work 2", chunk=2)
    old = ChunkRecord(ChunkKey(run.id, 0, 1), ChunkState.CLAIMED, "old", 1, 0, 2)
    await fleet.ledger.write([Insert(old)])
    await fleet.worker(until_empty=True).run()
    await fleet.finish(run, within=1)
    assert (await fleet.record(run)).digest == chunk_digest(Chunk(old.key, 0, ("work 1", "work 2")))


@pytest.mark.parametrize(
    "damage",
    [
        {"readable": False, "fault": "attribute 'tasks' is '1e308'"},
        {"lease_end": 10**15},
    ],
    ids=["damaged", "held-for-ever"],
)
async def test_chunk_whose_item_is_damaged_waits_for_hours_and_is_then_a_dead_letter(
    fleet: Fleet, autojump_clock: MockClock, damage: dict[str, Any]
) -> None:
    run = await fleet.push("work 1")
    damaged = ChunkRecord(ChunkKey(run.id, 0, 1), ChunkState.CLAIMED, "theirs", 1, 5, 1, Progress())
    await fleet.ledger.write([Insert(replace(damaged, **damage))])
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        hours = await until(lambda: fleet.dead_letters.calls["send"], within=12 * 3600, step=60) / 3600
        scope.cancel()
    assert hours > 2
    (dead_letter,) = await fleet.rejected()
    assert ("1e308" if "fault" in damage else "has a lease of") in dead_letter.attributes["reason"]
    assert not fleet.work.starts


async def test_full_disk_while_a_large_chunk_is_fetched_ends_no_worker(fleet: Fleet) -> None:
    """In real time, because the payload is read through a file. The message stays, and the next try succeeds."""

    async def full(call: Call, *arguments: object) -> object:
        if fleet.store.calls["get"] == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return await call(*arguments)

    run = Run.plan(run_id="large", counts={WORKER.name: 1}, chunk_size=1, digest="", started=EPOCH)
    await fleet.ledger.create_run(run)
    chunk = Chunk(ChunkKey("large", 0, 1), 0, ("work 0",))
    payload = encode_message(chunk).encode()
    reference = make_payload_ref(WORKER.name, chunk, payload)
    await fleet.store.put(reference.object_key, payload, "application/json", {})
    await fleet.queue.send([Outgoing(encode_payload_ref(reference))])
    fleet.store.around["get"] = full
    await fleet.worker(until_empty=True, poll_seconds=0.05).run()
    assert fleet.store.calls["get"] == 2
    assert (await fleet.finish(run, within=1))[0].state is TaskState.SUCCEEDED


def test_chunk_digest_is_the_same_in_any_language() -> None:
    chunk = Chunk(ChunkKey("run", 7, 1), 70, ("sleep 10", "sleep é"))
    assert chunk_digest(chunk) == hashlib.sha256('[70,["sleep 10","sleep é"]]'.encode()).hexdigest()[:16]
