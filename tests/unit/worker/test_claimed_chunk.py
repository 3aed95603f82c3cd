"""A holding: what a claim inherits, and what a checkpoint writes."""

import trio

from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Delivery, Progress, Result, TaskId, TaskState
from cloudkon.protocol import Claim
from images.worker.pipeline.claimed_chunk import ClaimedChunk, ReceivedChunk, Stage
from images.worker.pipeline.inflight import InFlight

KEY = ChunkKey("run", 3, 1)
CHUNK = Chunk(KEY, 30, ("work 1", "work 2", "work 3"))


def holding(progress: Progress | None = None) -> ClaimedChunk:
    record = ChunkRecord(KEY, ChunkState.CLAIMED, "token", 1, 0, 3, progress or Progress())
    return ClaimedChunk(ReceivedChunk.of(CHUNK, Delivery("a", "a#1", ""), 10.0), Claim(record, 100.0))


def result(seq: int, output: str = "done") -> Result:
    return Result(TaskId("run", seq), TaskState.SUCCEEDED, output=output)


def test_it_goes_on_where_the_last_claim_ended() -> None:
    left = holding(Progress(results=(result(31),), failures={30: 2}, losses=1, suspicions={30: 1}))
    assert [task.id.seq for task in left.pending] == [30, 32]
    assert left.careful
    assert left.progress == Progress(results=(result(31),), failures={30: 2}, losses=1, suspicions={30: 1})


def test_results_are_written_in_the_order_of_tasks() -> None:
    one = holding()
    for seq in (32, 30, 31):
        one.results[seq] = result(seq)
    assert one.finished
    assert [kept.task.seq for kept in one.progress.results] == [30, 31, 32]


def test_a_checkpoint_leaves_out_what_does_not_fit() -> None:
    one = holding()
    one.results = {30: result(30), 31: result(31, "x" * 5000), 32: result(32)}
    assert [kept.task.seq for kept in one.checkpoint.results] == [30, 32]
    assert [kept.task.seq for kept in one.progress.results] == [30, 31, 32]


def test_a_lost_one_stops_its_tasks_and_starts_no_more() -> None:
    one = holding()
    one.running[30] = trio.CancelScope()
    one.lose(overdue=False)
    assert one.stage is Stage.LOST
    assert one.running[30].cancel_called
    assert not one.pending
    assert not one.renewed


def test_cancelling_gives_what_does_not_run_its_result_and_stops_the_rest() -> None:
    one = holding(Progress(failures={32: 1}))
    one.running[31] = trio.CancelScope()
    one.results[30] = result(30)
    one.cancel("worker")
    assert one.running[31].cancel_called
    assert {seq: kept.state for seq, kept in one.results.items()} == {
        30: TaskState.SUCCEEDED,
        32: TaskState.CANCELLED,
    }
    assert one.results[32].attempts == 1


async def test_custody_knows_all_that_is_in_hand() -> None:
    inflight = InFlight(lambda: None)
    one = holding()
    inflight.arrivals[KEY] = one.arrival
    assert (len(inflight), inflight.queued, inflight.find(KEY)) == (1, 3, one.arrival)
    inflight.claimed(one)
    one.pending.popleft()
    assert (len(inflight), inflight.queued, inflight.find(KEY)) == (1, 2, one.arrival)
    assert list(inflight.hidden()) == [one.arrival]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inflight.empty)
        await trio.testing.wait_all_tasks_blocked()
        inflight.forget(KEY)
    assert inflight.find(KEY) is None
    inflight.forget(KEY)
