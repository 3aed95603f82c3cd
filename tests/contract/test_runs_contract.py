"""The contract of every ledger for runs."""

import time
from dataclasses import replace

import trio

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Run
from cloudkon.ports import Insert, Ledger, WriteOutcome


def run_of(run_id: str, chunks: int = 1000, digest: str = "d" * 64) -> Run:
    return Run.plan(
        run_id=run_id,
        counts={"worker": chunks, "animoto": 3},
        chunk_size=1,
        digest=digest,
        started=1_800_000_000.123456,
        parent="parent-run",
        archive_digest="a" * 64,
        archive_size=12_345,
        parent_tasks="b" * 64,
    )


async def test_created_run_is_read_back(ledger: Ledger, run_id: str) -> None:
    run = run_of(run_id)
    assert await ledger.create_run(run) == run
    assert await ledger.read_run(run_id) == run


async def test_creating_the_same_run_again_returns_it(ledger: Ledger, run_id: str) -> None:
    """A push does it after a lost response, or when it is resumed."""
    run = run_of(run_id)
    await ledger.create_run(run)
    assert await ledger.create_run(run) == run


async def test_existing_run_is_never_replaced(ledger: Ledger, run_id: str) -> None:
    run = run_of(run_id)
    await ledger.create_run(run)
    found = await ledger.create_run(run_of(run_id, chunks=5, digest="e" * 64))
    assert found == run
    assert await ledger.read_run(run_id) == run


async def test_concurrent_creations_of_a_run_return_the_same_run(ledger: Ledger, run_id: str) -> None:
    found: list[Run] = []

    async def create(digest: str) -> None:
        found.append(await ledger.create_run(run_of(run_id, digest=digest)))

    async with trio.open_nursery() as nursery:
        for digest in ("a", "b"):
            nursery.start_soon(create, digest)
    assert found[0] == found[1]


async def test_cancelling_sets_the_flag_and_nothing_else(ledger: Ledger, run_id: str) -> None:
    run = run_of(run_id)
    await ledger.create_run(run)
    assert await ledger.cancel_run(run_id)
    assert await ledger.cancel_run(run_id)
    assert await ledger.read_run(run_id) == replace(run, cancelled=True)
    assert await ledger.create_run(run) == replace(run, cancelled=True)


async def test_missing_run_is_neither_read_nor_cancelled(ledger: Ledger, run_id: str) -> None:
    assert await ledger.read_run(run_id) is None
    assert not await ledger.cancel_run(run_id)
    assert await ledger.read_run(run_id) is None


async def test_runs_are_listed_once_each_newest_first(ledger: Ledger, run_id: str) -> None:
    """The runs fill more than a page and several months. One was pushed again, and one was refused."""
    now = time.time()
    days = [0.5 * number for number in range(30)] + [40.0, 75.0]
    runs = [replace(run_of(f"{run_id}-{at}"), started=round(now - days[at] * 86_400, 3)) for at in range(len(days))]
    for run in [*reversed(runs), runs[3]]:
        await ledger.create_run(run)
    await ledger.create_run(replace(runs[4], started=now, digest="e" * 64))
    await ledger.cancel_run(runs[5].id)
    runs[5] = replace(runs[5], cancelled=True)
    assert [run async for run in ledger.runs() if run.id.startswith(run_id)] == runs


async def test_keys_of_runs_and_chunks_are_never_equal(ledger: Ledger, run_id: str) -> None:
    await ledger.create_run(run_of(run_id))
    key = ChunkKey(run_id, 0, 4)
    assert await ledger.read([key, ChunkKey("run", 0, 1)]) == [None, None]
    record = ChunkRecord(key, ChunkState.CLAIMED, "token-a", 1, 1)
    assert await ledger.write([Insert(record)]) == [WriteOutcome.WRITTEN]
    assert await ledger.read_run(run_id) == run_of(run_id)
