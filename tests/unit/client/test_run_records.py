"""Items of the ledger that can't be of a run are named by every reader, and counted by none."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from client import Fleet
from client.follow.result_stream import ResultStream
from client.follow.run_completion import QUIET_SECONDS
from client.follow.run_counts import RunCounts
from client.follow.stranded import stranded_letters
from client.follow.wait import LONGEST_WAIT, check, wait_for
from client.follow.watch import Watch
from client.records.run_records import MOST_NAMED, ItemFaults, ItemsUnreadable
from client.results.results import results
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, InvalidInput
from cloudkon.memory import MemoryLedger, memory_services
from cloudkon.model import (
    Chunk,
    ChunkKey,
    ChunkRecord,
    ChunkState,
    Outgoing,
    PoolRange,
    Priority,
    Progress,
    Result,
    Run,
    TaskId,
    TaskState,
)
from cloudkon.ports import Insert, Services
from cloudkon.ports.ledger import Page
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import encode_report
from tests.support.client_doubles import record_results, succeeded
from tests.unit.client.commands import Client, read_run


def record(run: Run, number: int, seqs: Sequence[int], *, tasks: int | None = None, shards: int = 0) -> ChunkRecord:
    """A chunk's record with results of some tasks; DONE if that are as many as the chunk has."""
    found = tuple(Result(TaskId(run.id, seq), TaskState.FAILED, error="broken") for seq in seqs)
    count = len(seqs) if tasks is None else tasks
    state = ChunkState.DONE if len(seqs) >= count else ChunkState.CLAIMED
    key = ChunkKey(run.id, number, shards or run.shards)
    return ChunkRecord(key, state, "owner", 1, 0, count, Progress(found))


def unreadable(run: Run, number: int) -> ChunkRecord:
    return ChunkRecord.unreadable(ChunkKey(run.id, number, run.shards), "attribute 'tasks' is '1e308'")


async def make(services: Services, done: Sequence[int], *odd: ChunkRecord, chunk_size: int = 1, tasks: int = 10) -> Run:
    run = Run.plan(run_id="run", counts={"worker": tasks}, chunk_size=chunk_size, digest="", started=0.0)
    await services.ledger.create_run(run)
    await record_results(services, run, succeeded(run, done))
    for one in odd:
        await services.ledger.write([Insert(one)])
    return run


def plan(chunk_size: int = 1) -> Run:
    return Run.plan(run_id="run", counts={"worker": 10}, chunk_size=chunk_size, digest="", started=0.0)


STRANGERS = [
    record(plan(), 999, range(10, 20)),
    record(plan(), 10, [10]),
    # In the partition that chunk 1 would have if the run had two shards.
    record(plan(), 1, [1], shards=2),
]


@pytest.mark.parametrize("stranger", STRANGERS[:2])
async def test_item_of_no_chunk_of_the_run_is_named_and_not_counted(services: Services, stranger: ChunkRecord) -> None:
    run = await make(services, range(10), stranger)
    counts = await check(services, run)
    assert (counts.succeeded, counts.failed, counts.waiting, counts.unknown) == (10, 0, 0, 0)
    assert counts.all_succeeded
    assert counts.faults.named == [
        f"item run#0 {stranger.key.number} is not counted: run run has no such chunk",
    ]
    assert [result.task.seq async for result in results(services.ledger, run)] == list(range(10))


async def test_item_in_the_partition_of_another_shard_is_not_counted(services: Services) -> None:
    run = Run.plan(run_id="run", counts={"worker": 600}, chunk_size=1, digest="", started=0.0)
    await services.ledger.create_run(run)
    # Chunk 1 belongs to partition run#1; with other shards its item lies in run#0, where chunk 0 belongs.
    await services.ledger.write([Insert(record(run, 4, [4], shards=4))])
    counts = await check(services, run)
    assert (run.shards, counts.failed, counts.waiting) == (3, 0, 600)
    assert counts.faults.named == ["item run#0 4 is not counted: run run has no such chunk"]


@pytest.mark.parametrize(
    ("odd", "fault"),
    [
        (record(plan(2), 1, [2, 3, 4]), "it has 3 tasks, and the chunk has 2"),
        (record(plan(2), 1, [3]), "it has 1 tasks, and the chunk has 2"),
        (record(plan(2), 1, [3, 4]), "it names tasks 3 to 4, and the chunk begins at 2"),
        (record(plan(2), 1, [0], tasks=2), "it names tasks 0 to 0, and the chunk begins at 2"),
        (record(plan(2), 1, [2, 2]), "it has two results of one task"),
        (replace(record(plan(2), 1, [2], tasks=2), state=ChunkState.DONE), "it has 1 results of 2 tasks, and is DONE"),
        (
            replace(record(plan(2), 1, [2], tasks=2), lease_end=int(time.time() * 1000) + 30 * 86_400_000),
            "its lease ends later than any worker's can",
        ),
        (
            replace(record(plan(2), 1, [2], tasks=2), progress=Progress(failures={2: 1, 9: 1})),
            "it names tasks 2 to 9, and the chunk begins at 2",
        ),
        (
            replace(record(plan(2), 1, [2], tasks=2), progress=Progress(suspect=0)),
            "it names tasks 0 to 0, and the chunk begins at 2",
        ),
        (unreadable(plan(2), 1), "attribute 'tasks' is '1e308'"),
        (replace(unreadable(plan(2), 1), fault=""), "another version wrote it"),
    ],
)
async def test_state_of_a_chunk_whose_item_can_not_be_right_is_unknown(
    services: Services, odd: ChunkRecord, fault: str
) -> None:
    run = await make(services, [0, 2, 3], odd, chunk_size=2)
    faults = ItemFaults()
    assert [result.task.seq async for result in results(services.ledger, run, faults)] == [0, 1, 4, 5, 6, 7]
    counts = await check(services, run)
    assert (counts.ended, counts.waiting, counts.unknown) == (6, 2, 2)
    assert counts.faults == faults
    assert faults.named == [f"item run#0 1 is not counted: {fault}"]


async def test_first_items_are_named_and_the_rest_counted(services: Services) -> None:
    run = await make(services, [], *(record(plan(), 100 + number, [0]) for number in range(MOST_NAMED + 2)))
    lines = (await check(services, run)).faults.lines()
    assert lines[-1] == "2 more items are not counted"
    assert len(lines) == MOST_NAMED + 1


class PagedLedger(MemoryLedger):
    """Returns pages of one record."""

    pages = 0

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        self.pages += 1
        page = await super().page(run, shard, first)
        return Page(page.records[:1], more=len(page.records) > 1)


async def test_million_items_behind_a_run_are_not_read(services: Services) -> None:
    ledger = PagedLedger()
    services = replace(services, ledger=ledger)
    run = await make(services, range(10), *(record(plan(), number, [0]) for number in range(10, 200)))
    assert len([result async for result in results(services.ledger, run)]) == 10
    assert ledger.pages == 11


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_waiting_ends_beside_an_item_of_no_chunk(
    services: Services, autojump_clock: MockClock, stranger: ChunkRecord
) -> None:
    run = await make(services, range(10), stranger)
    with trio.fail_after(1):
        assert (await wait_for(services, run, lambda *_: None)).all_succeeded
        assert (await Watch(services, run).follow(_ignore)).all_succeeded


async def _ignore(_snapshot: object) -> None:
    await trio.lowlevel.checkpoint()


async def test_waiting_ends_when_only_unreadable_chunks_are_left(services: Services, autojump_clock: MockClock) -> None:
    run = await make(services, range(9), unreadable(plan(), 9))

    async def counted() -> AsyncIterator[RunCounts]:
        yield await wait_for(services, run, lambda *_: None)
        yield await Watch(services, run).follow(_ignore)

    with trio.fail_after(2 * QUIET_SECONDS + 2 * LONGEST_WAIT):
        async for counts in counted():
            assert (counts.succeeded, counts.unknown, counts.waiting) == (9, 1, 0)


async def test_results_end_with_an_error_when_only_unreadable_chunks_are_left(
    services: Services, autojump_clock: MockClock
) -> None:
    run = await make(services, range(9), unreadable(plan(), 9))
    stream = ResultStream(services, run)
    assert len(await stream.more()) == 9
    with trio.fail_after(QUIET_SECONDS + 2 * LONGEST_WAIT), pytest.raises(ItemsUnreadable) as error:
        await stream.more()
    assert str(error.value) == (
        "run run: the state of 1 task is unknown: item run#0 9 is not counted: attribute 'tasks' is '1e308'"
    )


@pytest.mark.parametrize("command", ["check", "results", "failures", "runs", "status", "watch", "check --wait"])
def test_commands_name_an_item_of_no_chunk(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    trio.run(make, services, range(10), STRANGERS[0])
    words = command.split()
    run = [] if command in ("runs", "status") else ["run"]
    assert client(*words, *run, *([] if command == "failures" else ["--json"])) == EXIT_OK
    output = capsys.readouterr()
    shown = [json.loads(line) for line in output.out.splitlines()]
    match command:
        case "status":
            [found] = shown[0]["runs"]
            assert (found["succeeded"], found["waiting"], found["state"]) == (10, 0, "done")
        case "results":
            assert len(shown) == 10
        case "failures":
            assert "no task of run run failed" in output.err
        case _:
            assert (shown[-1]["succeeded"], shown[-1]["failed"], shown[-1]["waiting"]) == (10, 0, 0)
    if run:
        assert "warning: item run#0 999 is not counted: run run has no such chunk" in output.err


def test_one_unreadable_item_does_not_hide_the_others(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    trio.run(make, services, range(9), unreadable(plan(), 9))
    for command in ("check", "results", "failures"):
        assert client(command, "run") == EXIT_FAILED
        error = capsys.readouterr().err
        assert "warning: item run#0 9 is not counted: attribute 'tasks' is '1e308'" in error
        assert "the state of 1 task is unknown" in error
        assert "not ended yet" not in error
    assert client("check", "run", "--json") == EXIT_FAILED
    counts = json.loads(capsys.readouterr().out)
    assert (counts["succeeded"], counts["unknown"], counts["waiting"]) == (9, 1, 0)
    assert client("runs") == EXIT_OK
    assert "1 unknown" in capsys.readouterr().out


def test_retry_pushes_only_failed_tasks_of_the_run(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("jobs.txt").write_text("sleep 1\nsleep 2\n")
    assert client("push", "jobs.txt") == EXIT_OK
    run = read_run(services, capsys.readouterr().out.strip())

    async def write() -> None:
        for one in (record(run, 999, range(10, 20)), record(run, 0, [0, 1]), record(run, 1, [1])):
            await services.ledger.write([Insert(one)])

    trio.run(write)
    assert client("retry", run.id, "--json") == EXIT_FAILED
    output = capsys.readouterr()
    assert json.loads(output.out)["tasks"] == 1
    assert output.err.count(f"item {run.id}#0 999 is not counted") == 1
    assert "the state of 1 task is unknown" in output.err


def test_pull_names_an_unreadable_item_once_and_fetches_the_rest(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "object").write_bytes(b"film")

    async def write() -> None:
        await services.store.put("films/0.mp4", tmp_path / "object", "video/mp4", {})
        run = await make(services, [], unreadable(plan(), 9))
        await record_results(services, run, succeeded(run, range(9), services.store.address("films/0.mp4")))

    trio.run(write)
    assert client("pull", "run", "films") == EXIT_FAILED
    error = capsys.readouterr().err
    assert "films: 9 new files, 0 already there" in error
    assert error.count("warning: item run#0 9 is not counted: attribute 'tasks' is '1e308'") == 1
    assert "not ended yet" not in error


def test_run_with_a_pool_that_this_version_has_not_is_refused(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = replace(plan(), ranges=(PoolRange("gpu", 0, 10),))
    trio.run(services.ledger.create_run, odd)
    trio.run(services.ledger.create_run, replace(plan(), id="other"))
    for command in ("check", "check --wait", "watch", "results", "failures", "retry", "pull", "push --run"):
        assert client(*command.split(), "run") == EXIT_BAD_INPUT
        assert capsys.readouterr().err == (
            "error: run 'run': it has tasks for the pool 'gpu', and this version has only worker, animoto. "
            "Use the version that pushed it, or cancel it with: python -m client cancel run\n"
        )
    for command in ("runs", "status"):
        assert client(command) == EXIT_OK
        listed = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert {"run", "other"} <= {word for line in listed for word in line}
    assert client("cancel", "run") == EXIT_OK
    assert read_run(services, "run").cancelled


@pytest.mark.parametrize("priority", Priority)
def test_pool_that_a_fleet_has_not_is_not_called_one_without_priorities(services: Services, priority: Priority) -> None:
    with pytest.raises(InvalidInput, match=r"^pool 'gpu': there is no such pool\. Pools: worker, animoto$"):
        services.queue("gpu", priority)


def test_run_without_tasks_is_listed_beside_the_others(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    trio.run(services.ledger.create_run, replace(plan(), ranges=()))
    trio.run(services.ledger.create_run, replace(plan(), id="other"))
    assert client("runs") == EXIT_OK
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["run", "other"]
    assert client("check", "run") == EXIT_OK


async def test_letters_of_no_chunk_hold_no_task_of_the_run(services: Services) -> None:
    run = await make(services, range(8))
    for number, shards, first, count in ((999, 1, 8, 2), (8, 1, 8, 2), (8, 7, 8, 1), (9, 1, 8, 1)):
        body = encode_message(Chunk(ChunkKey(run.id, number, shards), first, ("sleep 1",) * count))
        await services.dead_letters["worker"].send([Outgoing(body)])
    assert await stranded_letters(services, await check(services, run)) == []


async def forge(services: Services, run: Run, seqs: Sequence[int]) -> None:
    forged = [Result(TaskId(run.id, seq), TaskState.SUCCEEDED, output="forged") for seq in seqs]
    await services.results.send([Outgoing(encode_report(run.id, forged))])


async def test_forged_report_is_no_result(services: Services, autojump_clock: MockClock) -> None:
    run = await make(services, [0])
    stream = ResultStream(services, run)
    assert [result.task.seq for result in await stream.more()] == [0]
    await forge(services, run, range(10))
    with trio.move_on_after(1000) as unfinished:
        await stream.more()
    assert unfinished.cancelled_caught
    await record_results(services, run, succeeded(run, range(1, 10), "true"))
    found = []
    while some := await stream.more():
        found += some
    assert {result.output for result in found} == {"true"}


async def test_true_report_after_a_forged_one_is_believed_at_once(
    services: Services, autojump_clock: MockClock
) -> None:
    run = await make(services, range(9))
    stream = ResultStream(services, run)
    assert len(await stream.more()) == 9

    async def work() -> None:
        await trio.sleep(1000)
        await forge(services, run, [9])
        await trio.sleep(20)
        await record_results(services, run, succeeded(run, [9]))
        await services.results.send([Outgoing(encode_report(run.id, succeeded(run, [9])))])

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await stream.more()
    assert trio.current_time() - began < 1020 + 2.1


async def test_forged_report_does_not_end_waiting(services: Services, autojump_clock: MockClock) -> None:
    run = await make(services, [0])
    await forge(services, run, range(10))
    with trio.move_on_after(1000) as unfinished:
        await wait_for(services, run, lambda *_: None)
    assert unfinished.cancelled_caught


class CountingLedger(MemoryLedger):
    def __init__(self) -> None:
        super().__init__()
        self.requests = 0

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        self.requests += 1
        return await super().page(run, shard, first)

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        self.requests += 1
        return await super().read(keys)


async def test_reported_chunks_are_read_in_batches(autojump_clock: MockClock) -> None:
    """10,000 tasks that end within 100 seconds, each in a chunk of its own and a report of its own."""
    ledger = CountingLedger()
    services = replace(memory_services(), ledger=ledger)
    run = await make(services, [], tasks=10_000)

    async def work() -> None:
        for begin in range(0, 10_000, 10):
            await trio.sleep(0.1)
            done = succeeded_one_by_one(run, range(begin, begin + 10))
            await services.ledger.write([Insert(one) for one in done])
            reports = [Outgoing(encode_report(run.id, one.progress.results)) for one in done]
            await services.results.send(reports)

    stream, found = ResultStream(services, run), 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        while some := await stream.more():
            found += len(some)
    assert found == 10_000
    readings = 30 * run.shards
    assert ledger.requests < 10_000 / 25 + 100 + readings


def succeeded_one_by_one(run: Run, numbers: Sequence[int]) -> list[ChunkRecord]:
    return [
        replace(
            record(run, number, [number]), progress=Progress((Result(TaskId(run.id, number), TaskState.SUCCEEDED),))
        )
        for number in numbers
    ]


def test_future_is_settled_by_the_ledger_and_not_by_a_report(tmp_path: Path) -> None:
    services = memory_services()
    with Fleet(replace(Settings(), state_dir=tmp_path), services=services) as fleet:
        run = fleet.submit(["sleep 1", "sleep 2"])
        found = read_run(services, run.id)
        futures = run.futures
        # In the fleet's own thread, because a queue in memory is not for several threads.
        fleet._connection.call(lambda _: forge(services, found, [0, 1]), "")
        with pytest.raises(TimeoutError):
            futures[0].result(1)
        done = succeeded(found, [0, 1], "true")
        fleet._connection.call(lambda _: record_results(services, found, done), "")
        assert [future.result(10) for future in futures] == ["true", "true"]
