"""Small outputs are in the ledger; long ones are in the store, and the result has the address."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.handler import Context
from cloudkon.model import Outgoing, Result, TaskState
from cloudkon.model.result import CHUNK_OUTPUT_LIMIT, OUTPUT_LIMIT
from cloudkon.ports import Write
from cloudkon.wire.message import MESSAGE_LIMIT
from tests.support.fault_injection import Call
from tests.support.memory_fleet import LEASE, RECOVERY, Fleet, until


async def repeat_x(arguments: str, context: Context) -> str:
    return "x" * int(arguments)


async def repeat_x_slowly(arguments: str, context: Context) -> str:
    await trio.sleep(40)
    return "x" * int(arguments)


async def fail(arguments: str, context: Context) -> str:
    raise ValueError("y" * int(arguments))


class Counter:
    """A handler that counts its calls and returns a long output."""

    def __init__(self) -> None:
        self.starts = 0

    async def count(self, _arguments: str, _context: Context) -> str:
        self.starts += 1
        return "x" * 10_000


HANDLERS = {"repeat": repeat_x, "slow": repeat_x_slowly, "fail": fail}


def text_bytes(results: Sequence[Result]) -> int:
    return sum(len(one.output.encode()) + len(one.error.encode()) for one in results)


async def run_all(fleet: Fleet, *instructions: str, chunk: int = 1, **settings: Any) -> dict[int, Result]:  # noqa: ANN401  (any setting)
    run = await fleet.push(*instructions, chunk=chunk)
    await fleet.worker(handlers=HANDLERS, until_empty=True, **settings).run()
    return await fleet.finish(run, within=0.1)


async def stored(fleet: Fleet, result: Result) -> str:
    path = fleet.scratch / "read.txt"
    address = result.output or result.error.partition("whole text: ")[2].rstrip(")")
    await fleet.store.get(address, path)
    return path.read_text()


async def test_output_of_4_kib_stays_and_a_longer_one_is_stored(fleet: Fleet) -> None:
    # On the real clock, because reading an object back writes a file in a thread.
    results = await run_all(fleet, f"repeat {OUTPUT_LIMIT}", f"repeat {OUTPUT_LIMIT + 1}", poll_seconds=0)
    assert results[0].output == "x" * OUTPUT_LIMIT
    assert results[1].output.startswith("s3://")
    assert await stored(fleet, results[1]) == "x" * (OUTPUT_LIMIT + 1)


async def test_long_error_keeps_its_beginning_and_the_address_of_the_rest(fleet: Fleet) -> None:
    results = await run_all(fleet, "fail 5000", max_attempts=1, poll_seconds=0)
    assert results[0].state is TaskState.FAILED
    assert results[0].error.startswith("ValueError: yyy")
    assert len(results[0].error) < 400
    assert await stored(fleet, results[0]) == "ValueError: " + "y" * 5000


async def test_stored_object_has_the_owner_token_in_its_key(fleet: Fleet, autojump_clock: MockClock) -> None:
    results = await run_all(fleet, "repeat 10000")
    (token,) = [record.owner for record in await fleet.records(await fleet.push("repeat 10000"))]
    assert token in results[0].output


async def test_outputs_of_a_chunk_take_64_kib_together(fleet: Fleet, autojump_clock: MockClock) -> None:
    results = await run_all(fleet, *["repeat 3000"] * 50, chunk=50)
    assert text_bytes(list(results.values())) <= CHUNK_OUTPUT_LIMIT
    moved = [one for one in results.values() if one.output.startswith("s3://")]
    assert 0 < len(moved) < 50


async def test_thousand_medium_outputs_fit_an_item(fleet: Fleet, autojump_clock: MockClock) -> None:
    results = await run_all(fleet, *["repeat 500"] * 1000, chunk=1000)
    assert text_bytes(list(results.values())) < 300_000


@pytest.mark.parametrize("size", [3000, 200_000])
async def test_checkpoint_is_never_too_large_for_an_item(fleet: Fleet, autojump_clock: MockClock, size: int) -> None:
    # An item of DynamoDB has at most 400 KB: a larger renewal would always be refused, and the chunk run for ever.
    async def limited(call: Call, writes: Sequence[Write]) -> object:
        for write in writes:
            if text_bytes(write.record.progress.results) > CHUNK_OUTPUT_LIMIT:
                raise Unavailable("ValidationException: Item size has exceeded the maximum allowed size")
        return await call(writes)

    fleet.ledger.around["write"] = limited
    results = await run_all(fleet, *[f"slow {size}"] * 40, chunk=40)
    assert {(one.state, one.attempts) for one in results.values()} == {(TaskState.SUCCEEDED, 1)}


async def test_release_keeps_long_results(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("repeat 100000", "slow 5", chunk=2)
    one = fleet.worker("one", HANDLERS, stop_seconds=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(5)
        one.stop()
    (kept,) = (await fleet.record(run)).progress.results
    assert kept.output.startswith("s3://")


async def test_long_output_from_before_a_heartbeat_survives_a_death(fleet: Fleet, autojump_clock: MockClock) -> None:
    run = await fleet.push("repeat 100000", "slow 5", chunk=2)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker("one", HANDLERS))
        await trio.sleep(30)
        scope.cancel()
    await fleet.worker("two", HANDLERS, until_empty=True).run()
    results = await fleet.finish(run, within=0.1)
    assert [results[seq].worker for seq in (0, 1)] == ["one", "two"]
    assert fleet.store.calls["put"] == 1


async def test_long_output_is_stored_once_even_if_the_store_is_slow(fleet: Fleet, autojump_clock: MockClock) -> None:
    # A heartbeat begins to store it, and the chunk is finished meanwhile.
    async def slowly(call: Call, *arguments: object) -> object:
        await trio.sleep(30)
        return await call(*arguments)

    fleet.store.around["put"] = slowly
    results = await run_all(fleet, "repeat 100000", "slow 5", chunk=2)
    assert results[0].output.startswith("s3://")
    assert fleet.store.calls["put"] == 1


async def test_long_outputs_survive_each_death_while_a_suspect_is_sought(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    counter = Counter()

    async def kill(arguments: str, context: Context) -> None:
        scopes.pop().cancel()
        await trio.sleep_forever()

    run = await fleet.push("count", "kill", chunk=2)
    scopes: list[trio.CancelScope] = []
    async with trio.open_nursery() as nursery:
        for name in ("one", "two", "three", "four", "five", "six"):
            scope = fleet.start(nursery, fleet.worker(name, {"count": counter.count, "kill": kill}))
            scopes.append(scope)
            await trio.sleep(RECOVERY)
        results = await fleet.finish(run, within=100)
        scope.cancel()
    assert [results[seq].state for seq in (0, 1)] == [TaskState.SUCCEEDED, TaskState.FAILED]
    # Once in each of the first two workers, which recorded no suspect, and once in the next.
    assert counter.starts == 3


async def test_release_does_not_wait_for_a_failing_store(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def refuse(call: Call, *arguments: object) -> None:
        raise Unavailable("no answer")

    fleet.store.around["put"] = refuse
    run = await fleet.push("repeat 10", "repeat 100000", "slow 5", chunk=3)
    one = fleet.worker("one", HANDLERS, stop_seconds=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        await trio.sleep(5)
        one.stop()
    record = await fleet.record(run)
    assert record.released
    assert [kept.task.seq for kept in record.progress.results] == [0]
    assert (await fleet.queue.depth()).visible == 1


async def test_store_that_fails_for_longer_than_a_lease_loses_no_work(fleet: Fleet, autojump_clock: MockClock) -> None:
    counter = Counter()

    async def refuse(call: Call, *arguments: object) -> None:
        raise Unavailable("no answer")

    fleet.store.around["put"] = refuse
    run = await fleet.push("count", copies=2)
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name, {"count": counter.count})) for name in ("one", "two")]
        await until(lambda: counter.starts == 1)
        await trio.sleep(LEASE * 5)
        fleet.store.around.clear()
        await fleet.finish(run, within=100)
        for scope in scopes:
            scope.cancel()
    assert counter.starts == 1


async def test_reports_fit_a_message_even_if_json_escapes_every_byte(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def zeros(arguments: str, context: Context) -> str:
        return "\0" * 4096

    sizes: list[int] = []

    async def measure(call: Call, messages: Sequence[Outgoing]) -> object:
        sizes.extend(len(one.body.encode()) for one in messages)
        # Long enough for all of them to go in one batch, as in a busy worker.
        await trio.sleep(0.5)
        return await call(messages)

    fleet.results.around["send"] = measure
    run = await fleet.push(*["zeros"] * 300)
    await fleet.worker(handlers={"zeros": zeros}, until_empty=True, slots=100).run()
    await fleet.finish(run, within=0.1)
    assert max(sizes) <= MESSAGE_LIMIT
