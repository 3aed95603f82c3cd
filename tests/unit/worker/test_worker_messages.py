"""Messages that can't be run end in the dead-letter queue with the reason, and stop no worker."""

import json
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.memory import MemoryQueue
from cloudkon.model import Outgoing, Run, TaskState
from cloudkon.ports import QueueOutcome
from tests.support.fault_injection import Call, CallFault, failing_batch, fault_sequence
from tests.support.memory_fleet import LEASE, POLL, RECOVERY, Fleet, until


def message(**changes: object) -> str:
    good = {"v": 1, "run": "byhand", "chunk": 0, "shards": 1, "first": 0, "tasks": ["work 1"]}
    return json.dumps({**good, **changes})


def reasons(fleet: Fleet) -> list[str]:
    assert isinstance(fleet.dead_letters.inner, MemoryQueue)
    return [one.content.attributes["reason"] for one in fleet.dead_letters.inner._messages.values()]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("hello", "not JSON"),
        ("[1]", "the message is a list, not an object"),
        (message(v=0), "version 0; this program reads versions 1 and 2"),
        (message(v="2"), "version '2', not a whole number; this program reads versions 1 and 2"),
        (message(v=1.0), "version 1.0, not a whole number; this program reads versions 1 and 2"),
        (message(v=True), "version true, not a whole number; this program reads versions 1 and 2"),
        (message(v=None), "version null"),
        ("{}", "the message has no version 'v'; this program reads versions 1 and 2"),
        (message()[:-1] + ', "first": 5}', "the message has field 'first' twice"),
        (message()[:-1] + ', "new": {"a": 1, "a": 2}}', "the message has field 'a' twice"),
        (message(run=json.loads("[" * 500 + "]" * 500)), "field 'run' is a list, not a string"),
        (message(chunk=1.0), "field 'chunk' is 1.0, not a whole number"),
        (message(chunk="1"), "field 'chunk' is '1', not a whole number"),
        (message(chunk=2**53), "field 'chunk' is 9007199254740992, not 0 to 9,007,199,254,740,991"),
        (message(shards=65), "field 'shards' is 65, not 1 to 64"),
        (message(first=2**64 - 1, tasks=["work 1"] * 2), "field 'first' is 18446744073709551615, not 0 to"),
        (message(first=2**53 - 1, tasks=["work 1"] * 2), "field 'first' is 9007199254740991, not 0 to"),
        (message(first=10**300), "field 'first' is 1e+300, not a whole number"),
        ('{"v": 1, "run": "byhand", "chunk": 0, "shards": 1, "tasks": ["work 1"]}', "field 'first' is missing"),
        (message(run="../etc"), "not a run's id"),
        (message(tasks=[]), "0 tasks"),
        (message(tasks=[""]), "not an instruction"),
        (message(tasks=["fly me to the moon"]), "no handler here takes 'fly'; known: work"),
        (message(tasks=["work 1", "fly"]), "no handler here takes 'fly'"),
        (message(first=-1), "field 'first' is -1, not 0 to"),
        ('{"v":1,"run":"byhand","chunk":0,"shards":1,"first":0,"tasks":["work \\ud800"]}', "surrogate"),
        ("[" * 100_000, "not JSON"),
    ],
)
async def test_malformed_message_ends_in_the_dead_letter_queue_with_its_reason(
    fleet: Fleet, autojump_clock: MockClock, body: str, reason: str
) -> None:
    await fleet.queue.send([Outgoing(body)])
    run = await fleet.push(*["work 1"] * 3)
    await fleet.worker(until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert {one.state for one in results.values()} == {TaskState.SUCCEEDED}
    (dead_letter,) = await fleet.rejected()
    assert dead_letter.body == body
    (recorded,) = reasons(fleet)
    assert reason in recorded


async def test_fields_of_a_later_version_are_ignored(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.queue.send([Outgoing(message(priority="high"))])
    await fleet.worker(until_empty=True).run()
    assert fleet.work.starts[0] == 1
    assert not await fleet.rejected()


async def test_newer_message_waits_for_a_newer_worker_and_costs_few_calls(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    await fleet.queue.send([Outgoing(message(v=3))])
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name)) for name in ("one", "two")]
        await trio.sleep(3600)
        assert fleet.queue.calls["receive"] < 2 * 3600 / POLL + 3600 / LEASE + 20
        for scope in scopes:
            scope.cancel()
    assert not await fleet.rejected()
    assert not (await fleet.queue.depth()).empty


async def test_newer_messages_delay_no_other_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    for _ in range(3):
        await fleet.queue.send([Outgoing(message(v=3))] * 10)
    run = await fleet.push(*["work 1"] * 10)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.starts.total() == 10, within=60)
        await until(lambda: ended(fleet, run), within=10)
        scope.cancel()
    assert not await fleet.rejected()


async def ended(fleet: Fleet, run: Run) -> bool:
    return len(await fleet.recorded(run)) == run.count


async def test_newer_message_runs_within_lease_margin_and_poll_after_a_rolling_deploy(
    fleet: Fleet, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await fleet.push("work 1", seal=lambda body: body.replace('{"v":1,', '{"v":3,'))
    async with trio.open_nursery() as nursery:
        old = fleet.start(nursery, fleet.worker("old"))
        await trio.sleep(1000)
        old.cancel()
        for module in ("message", "payload"):
            monkeypatch.setattr(f"cloudkon.wire.{module}.VERSION", 3)
        new = fleet.start(nursery, fleet.worker("new"))
        results = await fleet.finish(run, within=RECOVERY + 1)
        new.cancel()
    assert (results[0].state, results[0].attempts) == (TaskState.SUCCEEDED, 1)


async def test_newer_message_is_rejected_after_hours_without_a_newer_worker(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    await fleet.queue.send([Outgoing(message(v=3))])
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        hours = await until(lambda: reasons(fleet), within=12 * 3600, step=60) / 3600
        scope.cancel()
    assert hours > 2
    assert "version 3; this program reads versions 1 and 2" in reasons(fleet)[0]


@pytest.mark.parametrize("fault", [CallFault.REQUEST_LOST, CallFault.RESPONSE_LOST])
async def test_malformed_message_is_deleted_only_after_its_copy_was_sent(
    fleet: Fleet, autojump_clock: MockClock, fault: CallFault
) -> None:
    async def watched(call: Call, deliveries: Sequence[object]) -> object:
        assert (await fleet.dead_letters.depth()).visible
        return await call(deliveries)

    fleet.dead_letters.around["send"] = failing_batch(fault_sequence(fault, fault), QueueOutcome.FAILED)
    fleet.queue.around["delete"] = watched
    await fleet.queue.send([Outgoing("hello")])
    await fleet.worker(until_empty=True).run()
    assert await fleet.rejected()


async def test_failing_dead_letter_queue_stops_no_worker(fleet: Fleet, autojump_clock: MockClock) -> None:
    fleet.dead_letters.around["send"] = failing_batch(lambda _: CallFault.REQUEST_LOST, QueueOutcome.FAILED)
    for _ in range(3):
        await fleet.queue.send([Outgoing("hello")] * 10)
    run = await fleet.push(*["work 1"] * 10)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.starts.total() == 10, within=30)
        fleet.dead_letters.around.clear()
        await fleet.finish(run, within=100)
        scope.cancel()
    assert (await fleet.dead_letters.depth()).visible >= 30


async def test_rejected_message_is_not_lost_by_a_drain(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def slow(call: Call, messages: Sequence[object]) -> object:
        await trio.sleep(5)
        return await call(messages)

    fleet.dead_letters.around["send"] = slow
    await fleet.queue.send([Outgoing("hello")])
    one = fleet.worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(1)
        one.stop()
    assert (await fleet.queue.depth()).empty
    assert len(await fleet.rejected()) == 1
