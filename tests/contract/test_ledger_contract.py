"""The contract of every ledger, and the equality of DynamoDB's conditions and ``Update.admits``."""

import base64
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import product

import pytest
import trio

from cloudkon.errors import NoFleet
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, Progress, Result, Run, TaskId, TaskState
from cloudkon.ports import Insert, Ledger, Services, Update, Write, WriteOutcome
from cloudkon.ports.ledger import STATEMENTS

WRITTEN, REFUSED = WriteOutcome.WRITTEN, WriteOutcome.REFUSED
SHARDS = 4
LEASE_END = 1_900_000_000_123
CLAIMED = ChunkRecord(ChunkKey("replaced", 0, SHARDS), ChunkState.CLAIMED, "token-a", 2, LEASE_END, tasks=3, expires=77)


def key(run_id: str, number: int) -> ChunkKey:
    return ChunkKey(run_id, number, SHARDS)


def claimed(run_id: str, number: int = 0) -> ChunkRecord:
    return replace(CLAIMED, key=key(run_id, number))


def run_of(run_id: str, chunks: int = 1000, digest: str = "d" * 64) -> Run:
    return Run.plan(
        run_id=run_id,
        counts={"worker": chunks, "animoto": 3},
        chunk_size=1,
        digest=digest,
        started=1_800_000_000.123456,
        parent="parent-run",
    )


def results(run_id: str, count: int) -> tuple[Result, ...]:
    states = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
    return tuple(
        Result(
            TaskId(run_id, seq),
            state := states[seq % 3],
            output=f"s3://b/{seq}.mp4 \u00e9\x01\U0001f39e" if state is TaskState.SUCCEEDED else "",
            error="" if state is TaskState.SUCCEEDED else f"it 'failed' \"{seq}\"",
            attempts=1 + seq % 3,
            started=1_800_000_000.0625 + seq,
            seconds=0.125,
            worker="worker-1",
        )
        for seq in range(count)
    )


async def test_record_is_kept_with_all_its_progress(ledger: Ledger, run_id: str) -> None:
    progress = Progress(results(run_id, 7), failures={7: 2, 8: 1}, losses=1, suspect=9, suspicions={9: 2})
    record = replace(claimed(run_id), progress=progress)
    assert await ledger.write([Insert(record)]) == [WRITTEN]
    assert await ledger.read([record.key]) == [record]


async def test_record_holds_a_thousand_results(ledger: Ledger, run_id: str) -> None:
    record = replace(claimed(run_id), tasks=1000, progress=Progress(results(run_id, 1000)))
    assert await ledger.write([Insert(record)]) == [WRITTEN]
    assert await ledger.read([record.key]) == [record]


async def test_records_are_read_in_the_given_order_with_none_for_missing_ones(ledger: Ledger, run_id: str) -> None:
    await ledger.write([Insert(claimed(run_id, 1)), Insert(claimed(run_id, 5))])
    assert await ledger.read([key(run_id, 5), key(run_id, 2), key(run_id, 1)]) == [
        claimed(run_id, 5),
        None,
        claimed(run_id, 1),
    ]


async def test_second_insert_of_a_chunk_is_refused(ledger: Ledger, run_id: str) -> None:
    first, second = claimed(run_id), replace(claimed(run_id), owner="token-b")
    assert await ledger.write([Insert(first)]) == [WRITTEN]
    assert await ledger.write([Insert(second)]) == [REFUSED]
    assert await ledger.read([first.key]) == [first]


async def test_repeated_insert_is_refused_and_has_our_token(ledger: Ledger, run_id: str) -> None:
    """A claim whose response was lost: the caller recognises it by its own token."""
    record = claimed(run_id)
    await ledger.write([Insert(record)])
    assert await ledger.write([Insert(record)]) == [REFUSED]
    (found,) = await ledger.read([record.key])
    assert found is not None
    assert found.owner == record.owner


async def test_one_of_several_concurrent_inserts_wins(ledger: Ledger, run_id: str) -> None:
    outcomes: dict[str, WriteOutcome] = {}

    async def claim(owner: str) -> None:
        (outcomes[owner],) = await ledger.write([Insert(replace(claimed(run_id), owner=owner))])

    async with trio.open_nursery() as nursery:
        for owner in ("token-a", "token-b", "token-c"):
            nursery.start_soon(claim, owner)
    assert sorted(outcome.value for outcome in outcomes.values()) == ["refused", "refused", "written"]
    (found,) = await ledger.read([key(run_id, 0)])
    assert found is not None
    assert outcomes[found.owner] is WRITTEN


async def test_update_replaces_every_attribute(ledger: Ledger, run_id: str) -> None:
    before = claimed(run_id)
    after = ChunkRecord(
        before.key,
        ChunkState.DONE,
        "token-b",
        3,
        LEASE_END + 60_000,
        tasks=4,
        progress=Progress(results(run_id, 4)),
        expires=99,
    )
    await ledger.write([Insert(before)])
    assert await ledger.write([Update(after, before.owner, before.attempt, lease_end=LEASE_END)]) == [WRITTEN]
    assert await ledger.read([before.key]) == [after]


async def test_update_never_creates_a_record(ledger: Ledger, run_id: str) -> None:
    record = claimed(run_id)
    assert await ledger.write([Update(record, record.owner, record.attempt)]) == [REFUSED]
    assert await ledger.write([Update(record, record.owner, record.attempt, state=None)]) == [REFUSED]
    assert await ledger.read([record.key]) == [None]


@pytest.mark.parametrize(
    "break_one",
    [
        lambda update: replace(update, owner="token-b"),
        lambda update: replace(update, owner=""),
        lambda update: replace(update, attempt=1),
        lambda update: replace(update, attempt=3),
        lambda update: replace(update, state=ChunkState.DONE),
        lambda update: replace(update, lease_end=LEASE_END - 1),
        lambda update: replace(update, lease_end=LEASE_END + 1),
        lambda update: replace(update, lease_not_after=LEASE_END - 1),
        lambda update: replace(update, lease_end=None, lease_not_after=0),
    ],
    ids=["owner", "no owner", "older", "newer", "state", "earlier", "later", "live lease", "live lease alone"],
)
async def test_each_fence_alone_refuses(ledger: Ledger, run_id: str, break_one: Callable[[Update], Update]) -> None:
    found = claimed(run_id)
    await ledger.write([Insert(found)])
    fitting = Update(replace(found, expires=1), found.owner, found.attempt, lease_end=LEASE_END)
    assert await ledger.write([break_one(fitting)]) == [REFUSED]
    assert await ledger.read([found.key]) == [found]
    assert await ledger.write([fitting]) == [WRITTEN]


async def test_update_is_written_exactly_if_admits_is_true(ledger: Ledger, run_id: str) -> None:
    founds = [
        replace(CLAIMED, lease_end=5),
        replace(CLAIMED, lease_end=5, state=ChunkState.DONE),
        replace(CLAIMED, lease_end=0, owner=""),
    ]
    shapes = product(
        founds,
        ("token-a", ""),
        (2, 3),
        (None, *ChunkState),
        (None, 0, 5),
        (None, 4, 5),
    )
    cases: list[tuple[ChunkRecord, Update]] = []
    for number, (found, owner, attempt, state, lease_end, not_after) in enumerate(shapes):
        record = replace(found, key=key(run_id, number))
        cases.append((record, Update(replace(record, expires=1), owner, attempt, state, lease_end, not_after)))
    assert any(update.admits(record) for record, update in cases)
    for start in range(0, len(cases), STATEMENTS):
        batch = cases[start : start + STATEMENTS]
        assert set(await ledger.write([Insert(record) for record, _ in batch])) == {WRITTEN}
        expected = [WRITTEN if update.admits(record) else REFUSED for record, update in batch]
        assert await ledger.write([update for _, update in batch]) == expected


async def test_writes_of_a_mixed_batch_have_their_own_outcomes(ledger: Ledger, run_id: str) -> None:
    await ledger.write([Insert(claimed(run_id, number)) for number in range(0, STATEMENTS, 2)])
    writes: list[Write] = []
    expected: list[WriteOutcome] = []
    for number in range(STATEMENTS):
        record = replace(claimed(run_id, number), owner="token-b")
        there = number % 2 == 0
        inserts = number % 3 == 0
        writes.append(Insert(record) if inserts else Update(record, CLAIMED.owner, CLAIMED.attempt))
        expected.append(WRITTEN if there != inserts else REFUSED)
    assert await ledger.write(writes) == expected
    found = await ledger.read([write.key for write in writes])
    assert [one is not None and one.owner == "token-b" for one in found] == [one is WRITTEN for one in expected]


async def test_batch_with_a_chunk_twice_is_refused(ledger: Ledger, run_id: str) -> None:
    record = claimed(run_id)
    with pytest.raises(ValueError, match="twice"):
        await ledger.write([Insert(record), Update(record, record.owner, record.attempt)])
    with pytest.raises(ValueError, match="twice"):
        await ledger.read([record.key, record.key])
    assert await ledger.read([record.key]) == [None]


async def test_batch_over_the_limit_is_refused(ledger: Ledger, run_id: str) -> None:
    with pytest.raises(ValueError, match="26"):
        await ledger.write([Insert(claimed(run_id, number)) for number in range(26)])
    with pytest.raises(ValueError, match="26"):
        await ledger.read([key(run_id, number) for number in range(26)])


async def test_empty_batch_succeeds(ledger: Ledger) -> None:
    assert await ledger.write([]) == []
    assert await ledger.read([]) == []


async def test_records_of_a_run_are_listed_shard_by_shard(ledger: Ledger, run_id: str) -> None:
    run = run_of(run_id)
    assert run.shards == SHARDS
    numbers = [0, 1, 2, 3, 4, 7, 9, 10, 11, 100, 999]
    await ledger.write([Insert(claimed(run_id, number)) for number in numbers])
    await ledger.write([Insert(claimed(f"{run_id}-1", 5)), Insert(claimed(run_id[:-1], 5))])
    await ledger.create_run(run)
    found = [record async for record in ledger.records(run)]
    assert found == [claimed(run_id, number) for number in sorted(numbers, key=lambda one: (one % SHARDS, one))]


async def test_listing_continues_after_a_full_page(ledger: Ledger, run_id: str) -> None:
    """DynamoDB ends a page at 1 MB. These records exceed it in one shard, because noise can't be compressed."""
    noise = random.Random(1)
    numbers = range(0, 45 * SHARDS, SHARDS)
    for number in numbers:
        output = base64.b64encode(noise.randbytes(30_000)).decode()
        result = Result(TaskId(run_id, number), TaskState.SUCCEEDED, output=output)
        await ledger.write([Insert(replace(claimed(run_id, number), progress=Progress((result,))))])
    found = [record async for record in ledger.records(run_of(run_id))]
    assert [record.key.number for record in found] == list(numbers)


async def test_page_starts_at_any_chunk_of_a_shard(ledger: Ledger, run_id: str) -> None:
    run = run_of(run_id)
    for number in range(0, run.shards * 5, run.shards):
        await ledger.write([Insert(claimed(run_id, number)), Insert(claimed(run_id, number + 1))])
    whole = await ledger.page(run, 0)
    assert [record.key.number for record in whole.records] == [at * run.shards for at in range(5)]
    assert not whole.more
    rest = await ledger.page(run, 0, 2 * run.shards + 1)
    assert rest.records == whole.records[3:]
    assert (await ledger.page(run, 0, 5 * run.shards)).records == ()


async def test_summaries_equal_those_of_the_records(ledger: Ledger, run_id: str) -> None:
    run = run_of(run_id)
    done = Result(TaskId(run_id, 0), TaskState.SUCCEEDED, output="é", started=1000.25, seconds=1.5, worker="w")
    failed = Result(TaskId(run_id, 1), TaskState.FAILED, error="no", started=1001.5, seconds=0.25)
    cancelled = Result(TaskId(run_id, 2), TaskState.CANCELLED)
    for number, found in enumerate([(), (done,), (done, failed, cancelled), (cancelled,)]):
        await ledger.write([Insert(replace(claimed(run_id, number * run.shards), progress=Progress(found), tasks=3))])
    page, summaries = await ledger.page(run, 0), await ledger.summaries(run, 0)
    assert summaries.summaries == tuple(ChunkSummary.of(record) for record in page.records)
    assert (summaries.summaries[2].first_start, summaries.summaries[2].last_end) == (1000.25, 1001.75)
    assert (await ledger.summaries(run, 0, 3 * run.shards)).summaries == summaries.summaries[3:]


async def test_large_shard_is_read_page_by_page(ledger: Ledger, run_id: str) -> None:
    run = replace(run_of(run_id), shards=1)
    # 100 results take about 3 KB of an item, so 1,100 items exceed a page in memory and on DynamoDB.
    records = [replace(claimed(run_id, number), key=ChunkKey(run_id, number, 1)) for number in range(1100)]
    records = [replace(record, progress=Progress(results=results(run_id, 100))) for record in records]
    for begin in range(0, len(records), STATEMENTS):
        await ledger.write([Insert(record) for record in records[begin : begin + STATEMENTS]])
    found: list[int] = []
    pages, more = 0, True
    while more:
        page = await ledger.page(run, 0, found[-1] + 1 if found else 0)
        found += [record.key.number for record in page.records]
        pages, more = pages + 1, page.more
    assert found == list(range(1100))
    assert pages > 1


async def test_run_without_claims_has_no_records(ledger: Ledger, run_id: str) -> None:
    assert [record async for record in ledger.records(run_of(run_id))] == []


async def test_ledger_without_a_fleet_raises_no_fleet(no_fleet: Services, run_id: str) -> None:
    ledger = no_fleet.ledger

    async def list_records() -> None:
        async for _ in ledger.records(run_of(run_id)):
            pass

    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: ledger.write([Insert(claimed(run_id))]),
        lambda: ledger.read([key(run_id, 0)]),
        lambda: ledger.create_run(run_of(run_id)),
        lambda: ledger.read_run(run_id),
        lambda: ledger.cancel_run(run_id),
        list_records,
    ]
    for call in calls:
        with pytest.raises(NoFleet, match="python -m fleet up"):
            await call()
