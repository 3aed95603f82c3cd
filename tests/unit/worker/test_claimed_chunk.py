"""A claimed chunk: what a claim inherits, and what a checkpoint writes."""

import trio

from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Delivery, Progress, Result, TaskId, TaskState
from cloudkon.protocol import Claim
from images.worker.pipeline.claimed_chunk import ClaimedChunk, Stage
from images.worker.pipeline.inflight import InFlight
from images.worker.pipeline.received_chunk import ReceivedChunk

KEY = ChunkKey("run", 3, 1)
CHUNK = Chunk(KEY, 30, ("work 1", "work 2", "work 3"))


def claimed(progress: Progress | None = None) -> ClaimedChunk:
    record = ChunkRecord(KEY, ChunkState.CLAIMED, "token", 1, 0, 3, progress or Progress())
    return ClaimedChunk(ReceivedChunk.of(CHUNK, Delivery("a", "a#1", ""), 10.0), Claim(record, 100.0))


def result(seq: int, output: str = "done") -> Result:
    return Result(TaskId("run", seq), TaskState.SUCCEEDED, output=output)


def test_claim_goes_on_where_the_last_one_ended() -> None:
    chunk = claimed(Progress(results=(result(31),), failures={30: 2}, losses=1, suspicions={30: 1}))
    assert [task.id.seq for task in chunk.pending] == [30, 32]
    assert not chunk.careful
    assert chunk.progress == Progress(results=(result(31),), failures={30: 2}, losses=1, suspicions={30: 1})


def test_chunk_is_careful_from_the_second_loss_on() -> None:
    assert [claimed(Progress(losses=losses)).careful for losses in range(4)] == [False, False, True, True]


def test_results_are_written_in_the_order_of_tasks() -> None:
    chunk = claimed()
    for seq in (32, 30, 31):
        chunk.results[seq] = result(seq)
    assert chunk.finished
    assert [kept.task.seq for kept in chunk.progress.results] == [30, 31, 32]


def test_checkpoint_leaves_out_results_that_do_not_fit() -> None:
    chunk = claimed()
    chunk.results = {30: result(30), 31: result(31, "x" * 5000), 32: result(32)}
    assert [kept.task.seq for kept in chunk.checkpoint.results] == [30, 32]
    assert [kept.task.seq for kept in chunk.progress.results] == [30, 31, 32]


def test_lost_chunk_stops_its_tasks_and_starts_no_more() -> None:
    chunk = claimed()
    chunk.running[30] = trio.CancelScope()
    chunk.lose(overdue=False)
    assert chunk.stage is Stage.LOST
    assert chunk.running[30].cancel_called
    assert not chunk.pending
    assert not chunk.is_renewable


def test_cancelling_stops_running_tasks_and_ends_the_others_as_cancelled() -> None:
    chunk = claimed(Progress(failures={32: 1}))
    chunk.running[31] = trio.CancelScope()
    chunk.results[30] = result(30)
    chunk.cancel("worker")
    assert chunk.running[31].cancel_called
    assert {seq: kept.state for seq, kept in chunk.results.items()} == {
        30: TaskState.SUCCEEDED,
        32: TaskState.CANCELLED,
    }
    assert chunk.results[32].attempts == 1


async def test_in_flight_finds_and_counts_received_and_claimed_chunks() -> None:
    inflight = InFlight(lambda: None)
    chunk = claimed()
    inflight.add_received(chunk.received)
    assert (len(inflight), inflight.queued, inflight.find(KEY)) == (1, 3, chunk.received)
    inflight.add_claimed(chunk)
    chunk.next_task()
    assert (len(inflight), inflight.queued, inflight.find(KEY)) == (1, 2, chunk.received)
    assert list(inflight.all_received()) == [chunk.received]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inflight.wait_empty)
        await trio.testing.wait_all_tasks_blocked()
        inflight.forget(KEY)
    assert inflight.find(KEY) is None
    inflight.forget(KEY)
