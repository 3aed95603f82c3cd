import time
from dataclasses import replace

import pytest
import trio
import trio.testing

from client.dead_letters.dead_letters import DeadLetter
from client.follow.report_listener import LONGEST_POLL
from client.follow.run_completion import QUIET_SECONDS
from client.follow.run_counts import READERS, RunCounts
from client.follow.wait import LONGEST_WAIT, SHORTEST_WAIT, check, wait_between, wait_for
from client.results.results import as_line, results
from cloudkon.errors import AccessDenied, Unavailable
from cloudkon.memory import MemoryLedger, MemoryQueue, memory_services
from cloudkon.model import (
    Chunk,
    ChunkKey,
    ChunkRecord,
    ChunkState,
    ChunkSummary,
    Delivery,
    Outgoing,
    Progress,
    Result,
    Run,
    TaskId,
    TaskState,
)
from cloudkon.ports import Insert, Services, SummaryPage
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import encode_report
from tests.support.client_doubles import record_results, succeeded


def make_run(count: int, chunk: int = 1, run_id: str = "r1") -> Run:
    return Run.plan(run_id=run_id, counts={"worker": count}, chunk_size=chunk, digest="d", started=0.0)


def ignore(_counts: RunCounts, _ended: int) -> None:
    return


async def report(services: Services, results: list[Result]) -> None:
    for one in results:
        await services.results.send([Outgoing(encode_report(one.task.run, [one]))])


async def test_tasks_are_counted_by_state(services: Services) -> None:
    run = make_run(10, chunk=2)
    in_run = [
        Result(TaskId("r1", 0), TaskState.SUCCEEDED, started=100.0, seconds=2.0),
        Result(TaskId("r1", 1), TaskState.FAILED, error="no", started=101.0, seconds=4.0),
        Result(TaskId("r1", 2), TaskState.CANCELLED),
    ]
    await record_results(services, run, in_run)
    later = int(time.time() * 1000) + 3_600_000
    held = ChunkRecord(ChunkKey("r1", 2, 1), ChunkState.CLAIMED, "o", 1, later, tasks=2)
    released = ChunkRecord(ChunkKey("r1", 3, 1), ChunkState.CLAIMED, "", 1, 0, tasks=2)
    await services.ledger.write([Insert(held), Insert(released)])
    counts = await check(services, run)
    assert (counts.succeeded, counts.failed, counts.cancelled, counts.running, counts.waiting) == (1, 1, 1, 2, 5)
    assert not counts.complete
    assert (counts.first_start, counts.last_end, counts.seconds) == (100.0, 105.0, 5.0)
    assert counts.tasks_per_second == pytest.approx(0.6)


async def test_run_that_has_not_started_has_no_rate(services: Services) -> None:
    counts = await check(services, make_run(3))
    assert (counts.waiting, counts.seconds, counts.tasks_per_second) == (3, 0.0, None)


async def test_waiting_ends_by_the_ledger_alone(services: Services, autojump_clock: trio.testing.MockClock) -> None:
    run = make_run(300)

    async def work() -> None:
        for number in range(300):
            await trio.sleep(1)
            await record_results(services, run, succeeded(run, [number]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        counts = await wait_for(services, run, ignore)
    assert counts.all_succeeded


async def test_reports_move_the_bar_between_two_readings(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(100_000, chunk=10)
    shown: list[int] = []
    done = succeeded(run, range(5))

    async def work() -> None:
        await trio.sleep(0.2)
        await report(services, done)

    with trio.move_on_after(wait_between(run) + 1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await wait_for(services, run, lambda _counts, ended: shown.append(ended))
    assert shown[:2] == [0, 50], "the ledger has none of them yet"
    assert (await services.results.depth()).empty, "the run's own reports were deleted"


async def test_last_report_makes_the_ledger_be_read_at_once(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(60_000)
    assert wait_between(run) == LONGEST_WAIT
    await record_results(services, run, succeeded(run, range(59_999)))
    last = succeeded(run, [59_999])

    async def work() -> None:
        await trio.sleep(3)
        await record_results(services, run, last)
        await report(services, last)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        assert (await wait_for(services, run, ignore)).all_succeeded
    assert trio.current_time() < LONGEST_WAIT


async def test_counted_task_that_is_reported_later_is_not_shown_twice(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(10)
    await record_results(services, run, succeeded(run, range(6)))
    await report(services, succeeded(run, range(6)))
    shown = []
    with trio.move_on_after(5):
        await wait_for(services, run, lambda _counts, ended: shown.append(ended))
    assert set(shown) == {6}


async def test_false_reports_end_nothing(services: Services, autojump_clock: trio.testing.MockClock) -> None:
    run = make_run(3)
    await report(services, [*succeeded(run, range(3)), *succeeded(run, range(3))])
    with trio.move_on_after(100) as waited:
        await wait_for(services, run, ignore)
    assert waited.cancelled_caught


async def test_reports_of_other_runs_stay_on_the_queue(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run, other = make_run(5), make_run(30, run_id="r2")
    await report(services, succeeded(other, range(30)))
    await services.results.send([Outgoing("no report at all")])

    async def work() -> None:
        await trio.sleep(5)
        await record_results(services, run, succeeded(run, range(5)))
        await report(services, succeeded(run, range(5)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        assert (await wait_for(services, run, ignore)).all_succeeded
    depth = await services.results.depth()
    assert depth.in_flight == 0, "all were put back"
    assert depth.visible >= 31


async def test_interrupted_waiting_ends_soon(services: Services, autojump_clock: trio.testing.MockClock) -> None:
    run = make_run(100_000)
    with trio.move_on_after(0.1):
        await wait_for(services, run, ignore)
    assert trio.current_time() <= LONGEST_POLL
    assert wait_between(run) > LONGEST_POLL


async def test_interrupted_waiting_hides_no_reports(services: Services, autojump_clock: trio.testing.MockClock) -> None:
    class SlowQueue(MemoryQueue):
        async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
            received = await super().receive(limit, wait, visibility)
            await trio.sleep(1)
            return received

    slow = replace(services, results=SlowQueue())
    await report(slow, succeeded(make_run(3, run_id="r2"), range(3)))
    with trio.move_on_after(0.1):
        await wait_for(slow, make_run(3), ignore)
    assert (await slow.results.depth()).visible == 3


async def test_failing_result_queue_is_ignored(services: Services, autojump_clock: trio.testing.MockClock) -> None:
    class Forbidden(MemoryQueue):
        async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
            raise AccessDenied(f"not allowed to receive {limit} in {wait} s for {visibility} s")

    run = make_run(2)

    async def work() -> None:
        await trio.sleep(10)
        await record_results(services, run, succeeded(run, range(2)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        assert (await wait_for(replace(services, results=Forbidden()), run, ignore)).complete


class AwayLedger(MemoryLedger):
    """Is unavailable before a time, in trio's seconds."""

    def __init__(self, back_at: float) -> None:
        super().__init__()
        self.back_at = back_at

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        if trio.current_time() < self.back_at:
            raise Unavailable("connection refused")
        return await super().summaries(run, shard, first)


async def test_shards_are_read_in_parallel_and_each_page_once(autojump_clock: trio.testing.MockClock) -> None:
    class SlowLedger(MemoryLedger):
        pages = 0

        async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
            self.pages += 1
            await trio.sleep(1)
            return await super().summaries(run, shard, first)

    services = replace(memory_services(), ledger=(ledger := SlowLedger()))
    run = make_run(200_000, chunk=2)
    await record_results(services, run, succeeded(run, range(0, 100_000, 10)))
    shards: list[None] = []
    counts = await check(services, run, on_shard=lambda: shards.append(None))
    assert (counts.succeeded, counts.seconds, counts.busy_seconds) == (20_000, 199_982.0, 20_000.0)
    assert len(shards) == ledger.pages == run.shards == 64
    assert trio.current_time() == pytest.approx(64 / READERS)


async def test_waiting_survives_a_restart_of_the_ledger(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(2)
    away = replace(services, ledger=AwayLedger(trio.current_time() + 60))
    await record_results(away, run, succeeded(run, range(2)))
    assert (await wait_for(away, run, ignore)).complete


async def test_ledger_that_stays_unavailable_ends_the_waiting(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(Unavailable):
        await wait_for(replace(services, ledger=AwayLedger(1e9)), make_run(2), ignore)


def test_large_runs_are_read_less_often() -> None:
    waits = [wait_between(make_run(count)) for count in (1, 1_000, 10_000, 10_000_000)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (SHORTEST_WAIT, LONGEST_WAIT)


async def test_results_include_those_of_unfinished_chunks_once(services: Services) -> None:
    run = make_run(6, chunk=2)
    begun = Result(TaskId("r1", 4), TaskState.FAILED, error="no such file")
    await record_results(services, run, [*succeeded(run, [0, 1]), begun])
    assert [result.task.seq async for result in results(services.ledger, run)] == [0, 1, 2, 3, 4]
    assert [result async for result in results(services.ledger, run, failed_only=True)] == [begun]


def test_control_characters_of_an_output_are_not_printed() -> None:
    line = as_line(Result(TaskId("r", 1), TaskState.SUCCEEDED, output="\x1b[31mred\nnext"))
    assert "\x1b" not in line
    assert "\n" not in line


def test_progress_of_a_reclaimed_chunk_counts_once() -> None:
    run = make_run(2, chunk=2)
    counts = RunCounts(run)
    result = Result(TaskId("r1", 0), TaskState.SUCCEEDED)
    record = ChunkRecord(ChunkKey("r1", 0, 1), ChunkState.CLAIMED, "o", 2, 5_000, 2, Progress(results=(result,)))
    counts.add(ChunkSummary.of(record), now=4.0)
    assert (counts.succeeded, counts.running, counts.waiting) == (1, 1, 0)
    lost = RunCounts(run)
    lost.add(ChunkSummary.of(record), now=6.0)
    assert (lost.succeeded, lost.running, lost.waiting) == (1, 0, 1)


async def test_waiting_for_dead_letters_alone_ends_and_lists_them(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(4, chunk=2)
    await services.ledger.create_run(run)
    await record_results(services, run, succeeded(run, [0]))
    lost = encode_message(Chunk(ChunkKey("r1", 1, 1), 2, ("resize a", "resize b")))
    others = encode_message(Chunk(ChunkKey("r2", 0, 1), 0, ("resize c",)))
    await services.dead_letters["worker"].send([Outgoing(body, {"reason": "no handler"}) for body in (others, lost)])
    named: list[DeadLetter] = []
    counts = await wait_for(services, run, ignore, on_stranded=named.extend)
    assert (counts.succeeded, counts.waiting) == (2, 2)
    assert [(letter.chunk and letter.chunk.key.number, letter.reason) for letter in named] == [(1, "no handler")]
    assert trio.current_time() >= QUIET_SECONDS, "SQS's counts may lag by a minute"
    assert (await services.dead_letters["worker"].depth()).visible == 2, "they were made visible again"


@pytest.mark.parametrize("hindrance", ["a message is queued", "more is missing than they hold"])
async def test_waiting_continues_while_results_may_still_come(
    services: Services, hindrance: str, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(4, chunk=2)
    letters = [encode_message(Chunk(ChunkKey("r1", number, 1), 2 * number, ("a b", "a c"))) for number in (0, 1)]
    if hindrance.startswith("more"):
        letters.pop()
    else:
        await services.queues["worker"].send([Outgoing("another run's")])
    await services.dead_letters["worker"].send([Outgoing(body) for body in letters])
    named: list[DeadLetter] = []
    missed: list[int] = []
    with trio.move_on_after(4 * QUIET_SECONDS) as waited:
        await wait_for(services, run, ignore, on_stranded=named.extend, on_missing=missed.append)
    assert waited.cancelled_caught
    assert not named
    assert set(missed) == ({4} if hindrance.startswith("more") else set())


async def test_lost_messages_are_reported_while_waiting(
    services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    """As after a purge. A push may still send them, so waiting continues."""
    run = make_run(4)
    await services.ledger.create_run(run)
    await record_results(services, run, succeeded(run, [0]))
    missed: list[int] = []

    async def work() -> None:
        await trio.sleep(3 * QUIET_SECONDS)
        await record_results(services, run, succeeded(run, range(1, 4)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        counts = await wait_for(services, run, ignore, on_stranded=lambda _: None, on_missing=missed.append)
    assert counts.all_succeeded
    assert set(missed) == {3}
