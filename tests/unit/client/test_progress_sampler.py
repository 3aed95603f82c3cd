import time

import pytest

from client.follow.progress_sampler import FRESH_SECONDS, ProgressSampler
from cloudkon.memory import MemoryLedger
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress, Result, Run, TaskId, TaskState
from cloudkon.ports import Insert, Page, Services
from tests.support.client_doubles import record_results, succeeded

FAR = int(time.time() * 1000) + 3_600_000
"""A lease end in the future, in epoch milliseconds."""


class SmallPageLedger(MemoryLedger):
    """Returns ten records a page, and counts the pages."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = 0

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        self.pages += 1
        whole = await super().page(run, shard, first)
        return Page(whole.records[:10], more=len(whole.records) > 10)


def make_run(count: int, chunk: int = 1) -> Run:
    return Run.plan(run_id="r1", counts={"worker": count}, chunk_size=chunk, digest="d", started=0.0)


async def test_small_run_is_counted_exactly(services: Services) -> None:
    run = make_run(10, chunk=2)
    done = [
        Result(TaskId("r1", 0), TaskState.SUCCEEDED, started=100.0, seconds=2.0),
        Result(TaskId("r1", 1), TaskState.FAILED, error="no", started=101.0, seconds=4.0),
        Result(TaskId("r1", 2), TaskState.CANCELLED),
    ]
    await record_results(services, run, done)
    await services.ledger.write([Insert(ChunkRecord(ChunkKey("r1", 2, 1), ChunkState.CLAIMED, "o", 1, FAR, tasks=2))])
    sampler = ProgressSampler(run)
    await sampler.read(services.ledger, 1, wall=0.0, now=0.0)
    counts = sampler.estimate(0.0)
    assert counts.exact
    assert (counts.succeeded, counts.failed, counts.cancelled, counts.running, counts.waiting) == (1, 1, 1, 2, 5)
    assert sampler.counts().last_end == 105.0
    assert not sampler.complete


async def test_large_run_is_estimated_from_a_few_shards(services: Services) -> None:
    run = make_run(20_000)
    assert run.shards == 64
    await record_results(services, run, succeeded(run, range(12_000)))
    for number in range(12_000, 12_640):
        held = ChunkRecord(ChunkKey("r1", number, run.shards), ChunkState.CLAIMED, "o", 1, FAR)
        await services.ledger.write([Insert(held)])
    sampler = ProgressSampler(run)
    assert sampler.estimate(0.0).waiting == 20_000, "nothing is known yet"
    await sampler.read(services.ledger, 4, wall=0.0, now=0.0)
    counts = sampler.estimate(0.0)
    assert not counts.exact
    assert counts.succeeded == pytest.approx(12_000, rel=0.01)
    assert counts.running == pytest.approx(640, rel=0.05)
    assert counts.waiting + counts.running + counts.ended == 20_000
    await sampler.read(services.ledger, 60, wall=0.0, now=1.0)
    counts = sampler.estimate(1.0)
    assert counts.exact
    assert (counts.succeeded, counts.running) == (12_000, 640)
    assert not sampler.estimate(FRESH_SECONDS + 2).exact, "the counts are too old"


async def test_stale_shards_are_estimated_from_fresh_ones(services: Services) -> None:
    run = make_run(20_000)
    sampler = ProgressSampler(run)
    await record_results(services, run, succeeded(run, range(2_000)))
    await sampler.read(services.ledger, 64, wall=0.0, now=0.0)
    await record_results(services, run, succeeded(run, range(2_000, 16_000)))
    await sampler.read(services.ledger, 8, wall=0.0, now=FRESH_SECONDS + 1)
    assert sampler.estimate(FRESH_SECONDS + 1).succeeded == pytest.approx(16_000, rel=0.01)


async def test_done_chunks_are_reported_once_and_not_read_again(services: Services) -> None:
    run = make_run(64)
    reported: list[int] = []
    sampler = ProgressSampler(run, lambda result: reported.append(result.task.seq))
    ledger = SmallPageLedger()
    kept = Services({}, {}, services.results, ledger, services.store)
    await record_results(kept, run, succeeded(run, [*range(25), *range(30, 40)]))
    for now in range(20):
        await sampler.read(ledger, 1, wall=0.0, now=float(now))
    assert sampler.estimate(20.0).succeeded == 35
    assert ledger.pages == 20, "one page is read per call"
    await record_results(kept, run, succeeded(run, [*range(25, 30), *range(40, 64)]))
    pages = ledger.pages
    while not sampler.complete:
        await sampler.read(ledger, 1, wall=0.0, now=100.0 + ledger.pages)
    assert ledger.pages - pages <= 5, "the first 25 chunks were not read again"
    await sampler.read(ledger, 5, wall=0.0, now=500.0)
    assert ledger.pages - pages <= 5, "nothing is left to read"
    assert sorted(reported) == list(range(64))
    assert sampler.estimate(500.0).exact


async def test_chunk_that_ends_during_a_reading_counts_once(services: Services) -> None:
    """A first reading counts its task's result in a claimed chunk; then the chunk is DONE."""
    run = make_run(40, chunk=2)
    ledger = SmallPageLedger()
    for number in range(20):
        result = Result(TaskId("r1", 2 * number), TaskState.SUCCEEDED)
        claimed = ChunkRecord(ChunkKey("r1", number, 1), ChunkState.CLAIMED, "o", 1, FAR, 2, Progress((result,)))
        await ledger.write([Insert(claimed)])
    sampler = ProgressSampler(run)
    await sampler.read(ledger, 1, wall=0.0, now=0.0)
    await sampler.read(ledger, 1, wall=0.0, now=1.0)
    assert sampler.estimate(1.0).succeeded == 20
    for number in range(10):
        done = tuple(Result(TaskId("r1", 2 * number + more), TaskState.SUCCEEDED) for more in (0, 1))
        key = ChunkKey("r1", number, 1)
        ledger._partitions[key.partition][number] = ChunkRecord(key, ChunkState.DONE, "o", 1, 0, 2, Progress(done))
    await sampler.read(ledger, 1, wall=0.0, now=2.0)
    assert sampler.estimate(2.0).succeeded == 20, (
        "half of the shard is read: the counts are those of the last whole reading"
    )
    await sampler.read(ledger, 1, wall=0.0, now=3.0)
    assert sampler.estimate(3.0).succeeded == 30
