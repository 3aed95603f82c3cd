"""``ResultStream``: each result once, from either source, for few requests; in virtual time."""

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from client.follow.result_stream import ResultStream
from client.follow.run_completion import QUIET_SECONDS
from client.follow.stranded import RunStranded
from client.follow.wait import LONGEST_WAIT
from cloudkon.errors import Unavailable
from cloudkon.memory import MemoryLedger, MemoryQueue, memory_services
from cloudkon.model import Chunk, ChunkKey, Delivery, Outgoing, Result, Run, TaskState
from cloudkon.ports import Services
from cloudkon.ports.ledger import Page
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import encode_report
from tests.support.client_doubles import record_results, succeeded

HOUR = 3600.0


class CountingLedger(MemoryLedger):
    def __init__(self) -> None:
        super().__init__()
        self.pages = 0
        self.failing = 0

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        self.pages += 1
        if self.failing:
            self.failing -= 1
            raise Unavailable("unavailable for a while")
        return await super().page(run, shard, first)


class CountingQueue(MemoryQueue):
    def __init__(self) -> None:
        super().__init__()
        self.receives = 0

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        self.receives += 1
        return await super().receive(limit, wait, visibility)


def counting_services() -> tuple[Services, CountingLedger, CountingQueue]:
    ledger, queue = CountingLedger(), CountingQueue()
    return replace(memory_services(), ledger=ledger, results=queue), ledger, queue


async def pushed(services: Services, tasks: int, chunk_size: int = 1) -> Run:
    run = Run.plan(run_id="run", counts={"worker": tasks}, chunk_size=chunk_size, digest="", started=0.0)
    return await services.ledger.create_run(run)


async def report(services: Services, results: Sequence[Result]) -> None:
    await services.results.send([Outgoing(encode_report(results[0].task.run, results))])


async def all_of(stream: ResultStream) -> Counter[int]:
    found: Counter[int] = Counter()
    while some := await stream.more():
        found.update(result.task.seq for result in some)
    return found


async def test_results_from_queue_and_ledger_come_once(autojump_clock: MockClock) -> None:
    services, _, _ = counting_services()
    run = await pushed(services, 600)
    results = succeeded(run, range(600))
    await record_results(services, run, results[:200])
    await report(services, results[100:300])
    stream = ResultStream(services, run)

    async def work() -> None:
        await trio.sleep(5)
        await record_results(services, run, results[200:])
        await report(services, results[250:450])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        assert await all_of(stream) == Counter(range(600))


async def test_reported_result_is_returned_at_once(autojump_clock: MockClock) -> None:
    services, _, _ = counting_services()
    run = await pushed(services, 2)
    stream = ResultStream(services, run)

    async def work() -> None:
        await trio.sleep(1000)
        await record_results(services, run, succeeded(run, [1]))
        await report(services, succeeded(run, [1]))

    with trio.fail_after(1000.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            (result,) = await stream.more()
    assert result.task.seq == 1


async def test_hour_of_waiting_takes_some_hundred_readings(autojump_clock: MockClock) -> None:
    services, ledger, queue = counting_services()
    run = await pushed(services, 2)
    with trio.move_on_after(HOUR):
        await ResultStream(services, run).more()
    assert 100 < ledger.pages < 250
    assert queue.receives < HOUR / 2 + ledger.pages + 10


async def test_reports_of_other_runs_are_put_back_at_no_cost(autojump_clock: MockClock) -> None:
    services, ledger, queue = counting_services()
    run = await pushed(services, 2)
    for number in range(12):
        other = Run.plan(run_id=f"other{number}", counts={"worker": 1}, chunk_size=1, digest="", started=0.0)
        await report(services, succeeded(other, [0]))

    async def work() -> None:
        await trio.sleep(HOUR / 2)
        await record_results(services, run, succeeded(run, [0, 1]))

    with trio.fail_after(HOUR / 2 + LONGEST_WAIT + 1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            assert await all_of(ResultStream(services, run)) == Counter([0, 1])
    assert queue.receives <= ledger.pages + 1 < 250
    assert (await queue.depth()).visible == 12


async def test_unavailable_ledger_is_waited_for(autojump_clock: MockClock) -> None:
    services, ledger, _ = counting_services()
    run = await pushed(services, 1)
    await record_results(services, run, succeeded(run, [0]))
    ledger.failing = 15
    assert await all_of(ResultStream(services, run)) == Counter([0])


async def test_cancelled_run_ends_without_its_unsent_tasks(autojump_clock: MockClock) -> None:
    services, _, _ = counting_services()
    run = await pushed(services, 3)
    await services.ledger.cancel_run(run.id)
    await record_results(services, run, [replace(succeeded(run, [0])[0], state=TaskState.CANCELLED)])
    with trio.fail_after(QUIET_SECONDS + 2 * LONGEST_WAIT):
        assert await all_of(ResultStream(services, run)) == Counter([0])


async def test_run_with_only_dead_letters_left_raises_run_stranded(autojump_clock: MockClock) -> None:
    services, _, _ = counting_services()
    run = await pushed(services, 3)
    await record_results(services, run, succeeded(run, [0, 1]))
    lost = encode_message(Chunk(ChunkKey(run.id, 2, run.shards), 2, ("resize a",)))
    await services.dead_letters["worker"].send([Outgoing(lost, {"reason": "no handler here takes 'resize'"})])
    stream = ResultStream(services, run)
    assert len(await stream.more()) == 2
    with trio.fail_after(QUIET_SECONDS + 2 * LONGEST_WAIT), pytest.raises(RunStranded) as stranded:
        await stream.more()
    assert "1 task in 1 dead letter: no handler here takes 'resize'" in str(stranded.value)
    assert f"dlq redrive --run {run.id}" in str(stranded.value)
    assert str(pickle.loads(pickle.dumps(stranded.value))) == str(stranded.value)
    assert (await services.dead_letters["worker"].depth()).visible == 1, "it was made visible again"


async def test_dead_letter_beside_other_work_ends_nothing(autojump_clock: MockClock) -> None:
    services, _, _ = counting_services()
    run = await pushed(services, 2)
    lost = encode_message(Chunk(ChunkKey(run.id, 1, run.shards), 1, ("resize a",)))
    await services.dead_letters["worker"].send([Outgoing(lost)])
    stream = ResultStream(services, run)

    async def work() -> None:
        await trio.sleep(10 * QUIET_SECONDS)
        await record_results(services, run, succeeded(run, [0]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        assert [result.task.seq for result in await stream.more()] == [0]


async def test_large_ended_run_is_returned_page_by_page(autojump_clock: MockClock) -> None:
    services, ledger, _ = counting_services()
    run = await pushed(services, 5_000)
    await record_results(services, run, succeeded(run, range(5_000)))
    stream = ResultStream(services, run)
    first = await stream.more()
    assert (len(first), ledger.pages) == (len(first), 1)
    assert len(first) < 1000
    assert len(await all_of(stream)) == 5_000 - len(first)
    assert ledger.pages == run.shards
