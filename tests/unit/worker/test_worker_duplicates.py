"""Messages that are delivered more than once: to two workers, to one, late, and as copies."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from cloudkon.memory.virtual_clock import EPOCH
from cloudkon.model import Chunk, ChunkKey, Delivery, Outgoing
from cloudkon.ports import BATCH, QueueOutcome
from images.worker.pipeline.received_chunk import ReceivedChunk
from tests.support.fault_injection import Call
from tests.support.memory_fleet import JITTER, LEASE, MARGIN, Fleet, until


async def test_copies_run_once_whichever_worker_gets_them(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.1"] * 50, copies=3)
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(fleet.worker(f"worker-{number}", until_empty=True).run)
    await fleet.finish(run, within=0.1)
    assert set(fleet.work.starts.values()) == {1}


async def test_two_workers_with_the_same_chunk_run_it_once(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 150", copies=2)
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name)) for name in ("one", "two")]
        await fleet.finish(run)
        for scope in scopes:
            scope.cancel()
    assert fleet.work.starts[0] == 1


async def test_held_copy_comes_back_when_the_lease_can_be_taken_over(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 1000", copies=2)
    async with trio.open_nursery() as nursery:
        dead = fleet.start(nursery, fleet.worker("one", slots=2))
        await until(lambda: fleet.work.running == 1)
        dead.cancel()
        # The dead worker has both copies. Push another one, as if one of them had been delivered to the other worker.
        await fleet.push("work 1", run=run.id)
        died = trio.current_time()
        scope = fleet.start(nursery, fleet.worker("two"))
        await until(lambda: fleet.work.starts[0] == 2)
        assert trio.current_time() - died < LEASE + MARGIN + JITTER + 0.5
        await fleet.finish(run)
        scope.cancel()
    assert fleet.work.starts[0] == 2


async def test_slow_answers_do_not_hide_a_held_copy_for_longer(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("work 1000", copies=2)
    hidden_until = 0.0

    async def slowly(call: Call, *arguments: object) -> object:
        answer = await call(*arguments)
        await trio.sleep(40)
        return answer

    async def refuse(call: Call, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> object:
        nonlocal hidden_until
        if trio.current_time() < 50:
            await trio.sleep(3)
            return [QueueOutcome.FAILED] * len(deliveries)
        hidden_until = trio.current_time() + seconds[0]
        return await call(deliveries, seconds)

    async with trio.open_nursery() as nursery:
        first = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        fleet.ledger.around["read"] = slowly
        second = fleet.start(nursery, fleet.worker("two", lease_seconds=600.0))
        await until(lambda: fleet.ledger.calls["read"] == 1)
        first.cancel()
        record = await fleet.record(run)
        fleet.queue.around["set_visibility"] = refuse
        await until(lambda: hidden_until)
        second.cancel()
    assert hidden_until == pytest.approx(record.lease_end / 1000 - EPOCH + MARGIN, abs=JITTER + 0.1)


async def test_copy_that_comes_while_another_is_given_back_is_given_back_too(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 1000")
    async with trio.open_nursery() as nursery:
        dead = fleet.start(nursery, fleet.worker("one"))
        await until(lambda: fleet.work.running == 1)
        dead.cancel()
        died = trio.current_time()

        async def slowly(call: Call, *arguments: object) -> object:
            await trio.sleep(2)
            return await call(*arguments)

        async def meanwhile(call: Call, *arguments: object) -> object:
            fleet.queue.around["set_visibility"] = slowly
            await trio.sleep(40)
            return await call(*arguments)

        fleet.queue.around["set_visibility"] = meanwhile
        await fleet.push("work 1000", run=run.id)
        scope = fleet.start(nursery, fleet.worker("two", slots=2))
        await trio.sleep(30)
        # Only this copy becomes visible again.
        await fleet.push("work 1000", run=run.id)
        await until(lambda: fleet.queue.around["set_visibility"] is slowly)
        for message in list(fleet.queue.inner._messages.values())[:-1]:  # type: ignore[attr-defined]  # it reads the messages
            message.receives += 1
            fleet.queue.inner._hide(message, 10_000)  # type: ignore[attr-defined]  # as above
        await until(lambda: fleet.work.starts[0] == 2)
        assert trio.current_time() - died < LEASE + MARGIN + JITTER + 3
        scope.cancel()


async def test_copy_of_a_done_chunk_is_published_again_and_deleted(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push(*["work 0.1"] * 3, chunk=3)
    await fleet.worker("one", until_empty=True).run()
    await fleet.finish(run, within=0.1)
    assert len(fleet.published) == 3
    await fleet.push(*["work 0.1"] * 3, chunk=3)
    await fleet.worker("two", until_empty=True).run()
    await fleet.finish(run, within=0.1)
    assert len(fleet.published) == 6
    assert fleet.work.starts.total() == 3


async def test_results_of_a_worker_that_died_before_publishing_are_published_by_the_next(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 1")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one"))

        async def die(call: Call, *arguments: object) -> None:
            scope.cancel()
            await trio.sleep_forever()

        fleet.results.around["send"] = die
        await until(lambda: scope.cancelled_caught)
        del fleet.results.around["send"]
        assert len(await fleet.recorded(run)) == 1
        other = fleet.start(nursery, fleet.worker("two"))
        await fleet.finish(run)
        other.cancel()
    assert fleet.work.starts[0] == 1


async def test_message_delivered_again_to_its_own_worker_is_deleted_with_the_chunk(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    # SQS may deliver a message again although it is hidden. Only its newest handle is valid.
    run = await fleet.push("work 30")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=2))
        await until(lambda: fleet.work.running == 1)
        fleet.queue.show_all()
        await fleet.finish(run, within=40)
        scope.cancel()
    assert fleet.work.starts[0] == 1


async def test_copy_that_comes_while_results_are_published_does_no_harm(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    run = await fleet.push("work 1")
    again = await fleet.queue.receive(BATCH, 0, 0.0)
    bodies = [Outgoing(one.body) for one in again]

    async def meanwhile(call: Call, *arguments: object) -> object:
        await fleet.queue.send(bodies)
        bodies.clear()
        await trio.sleep(1)
        return await call(*arguments)

    fleet.results.around["send"] = meanwhile
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(slots=2))
        await fleet.finish(run, within=30)
        scope.cancel()
    assert fleet.work.starts[0] == 1


def test_newest_handle_of_each_message_counts() -> None:
    chunk = Chunk(ChunkKey("run", 0, 1), 0, ("work 1",))
    received = ReceivedChunk.of(chunk, Delivery("a", "a#1", ""), 0.0)
    received.add(Delivery("a", "a#2", ""))
    received.add(Delivery("b", "b#1", ""))
    assert [one.handle for one in received.deliveries.values()] == ["a#2", "b#1"]
