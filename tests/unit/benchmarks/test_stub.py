"""The stub behaves as AWS does for our adapters: a more permissive stub would make benchmarks look better."""

import time
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

import pytest
import trio

from benchmarks.stub.latency import DYNAMODB, SQS, Latency, Quantiles
from benchmarks.stub.stub_process import Stub
from cloudkon.errors import NoFleet, ObjectMissing
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Outgoing, Run
from cloudkon.ports import QueueOutcome, Services
from cloudkon.ports.ledger import Insert, Update, WriteOutcome

MINE = ChunkRecord(ChunkKey("run", 0, 1), ChunkState.CLAIMED, "me", 1, 1000)


async def test_chunk_is_claimed_once(services: Services) -> None:
    other = replace(MINE, owner="another")
    assert await services.ledger.write([Insert(MINE)]) == [WriteOutcome.WRITTEN]
    assert await services.ledger.write([Insert(other)]) == [WriteOutcome.REFUSED]
    assert await services.ledger.read([MINE.key]) == [MINE]


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner": "another"},
        {"attempt": 2},
        {"state": ChunkState.DONE},
        {"lease_end": 999},
        {"lease_not_after": 999},
    ],
)
async def test_every_part_of_a_fence_holds(services: Services, wrong: dict[str, object]) -> None:
    done = replace(MINE, state=ChunkState.DONE)
    right = Update(done, owner="me", attempt=1, lease_end=1000, lease_not_after=1000)
    await services.ledger.write([Insert(MINE)])
    assert await services.ledger.write([replace(right, **wrong)]) == [WriteOutcome.REFUSED]  # type: ignore[arg-type]  # one field a case
    assert await services.ledger.write([right]) == [WriteOutcome.WRITTEN]
    assert await services.ledger.read([MINE.key]) == [done]


async def test_update_makes_no_item(services: Services) -> None:
    assert await services.ledger.write([Update(MINE, owner="me", attempt=1)]) == [WriteOutcome.REFUSED]
    assert await services.ledger.read([MINE.key]) == [None]


async def test_runs_are_stored_and_cancelled(services: Services) -> None:
    run = Run.plan(run_id="run", counts={"worker": 5}, chunk_size=1, digest="d", started=1.0)
    assert await services.ledger.create_run(run) == run
    assert await services.ledger.create_run(replace(run, digest="other")) == run
    assert await services.ledger.cancel_run("run")
    assert not await services.ledger.cancel_run("none")
    found = await services.ledger.read_run("run")
    assert found is not None
    assert found.cancelled


async def test_message_stays_hidden_for_its_visibility_and_a_stale_handle_has_no_effect(services: Services) -> None:
    queue = services.queues["worker"]
    await queue.send([Outgoing("one", {"reason": "why"})])
    (first,) = await queue.receive(10, 0, 1)
    assert (first.body, first.receives, first.attributes) == ("one", 1, {"reason": "why"})
    assert await queue.receive(10, 0, 60) == []
    (second,) = await queue.receive(10, 5, 60)
    assert second.receives == 2
    assert await queue.set_visibility([first], [0]) == [QueueOutcome.GONE]
    assert await queue.receive(10, 0, 60) == []
    assert await queue.delete([second]) == [QueueOutcome.DONE]
    assert (await queue.depth()).empty


async def test_longer_visibility_counts_from_now(services: Services) -> None:
    queue = services.queues["worker"]
    await queue.send([Outgoing("one")])
    (delivery,) = await queue.receive(10, 0, 1)
    assert await queue.set_visibility([delivery], [60]) == [QueueOutcome.DONE]
    assert await queue.receive(10, 2, 60) == []
    assert await queue.set_visibility([delivery], [0]) == [QueueOutcome.DONE]
    assert len(await queue.receive(10, 0, 60)) == 1


async def test_long_poll_ends_with_the_first_message(services: Services, stub: Stub) -> None:
    queue = services.queues["worker"]
    async with trio.open_nursery() as nursery:

        async def send_late() -> None:
            await trio.to_thread.run_sync(stub.wait_for_poll, "bench-worker")
            await queue.send([Outgoing("late")])

        nursery.start_soon(send_late)
        begun = time.monotonic()
        (delivery,) = await queue.receive(10, 20, 60)
    assert delivery.body == "late"
    assert time.monotonic() - begun < 20


async def test_closed_gate_hides_messages(services: Services, stub: Stub) -> None:
    queue = services.queues["worker"]
    stub.command("gate", queue="bench-worker", closed=True)
    await queue.send([Outgoing("held")])
    assert await queue.receive(10, 0, 60) == []
    stub.command("gate", queue="bench-worker", closed=False)
    assert len(await queue.receive(10, 0, 60)) == 1


async def test_billed_units_are_counted(services: Services, stub: Stub) -> None:
    before = stub.counts()
    await services.ledger.write([Insert(MINE)])
    await services.ledger.read([MINE.key])
    await services.results.send([Outgoing("x" * 70_000)])
    counts = stub.counts()
    assert counts["write_units"] - before["write_units"] == 1
    assert counts["read_units"] - before["read_units"] == 1
    # One request looks the queue up; 70 kB are billed as two requests of 64 KiB.
    assert counts["sqs_billed"] - before["sqs_billed"] == 1 + 2
    assert counts["requests"]["BatchExecuteStatement"] == 2


async def test_missing_queue_and_table_are_refused(stub: Stub, services: Services) -> None:
    stub.command("reset")
    with pytest.raises(NoFleet):
        await services.queues["worker"].depth()
    with pytest.raises(NoFleet):
        await services.ledger.read([MINE.key])


async def test_store_keeps_the_objects_of_a_push(services: Services, tmp_path: Path) -> None:
    store = services.store
    source = tmp_path / "source"
    source.write_bytes(b"instructions")
    with pytest.raises(ObjectMissing):
        await store.head(store.address("runs/one"))
    assert (await store.put("runs/one", source, "text/plain", {})).size == len(b"instructions")
    await store.get(store.address("runs/one"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"instructions"


@pytest.mark.parametrize("shape", [SQS, DYNAMODB])
def test_latencies_have_their_quantiles(shape: Quantiles) -> None:
    latency = Latency(shape, 1)
    cuts = quantiles((1000 * latency.draw() for _ in range(20_000)), n=100)
    for share, milliseconds in shape[1:-1]:
        assert cuts[round(100 * share) - 1] == pytest.approx(milliseconds, rel=0.15)
    again = Latency(shape, 1)
    other = Latency(shape, 1)
    assert [again.draw() for _ in range(10)] == [other.draw() for _ in range(10)]
