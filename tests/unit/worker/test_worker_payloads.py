"""Chunks too large for a message are fetched from the store, checked, and run like any other.

These tests run in real time: a payload is read through a file, in threads that a virtual clock would not wait for.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from cloudkon.errors import Unavailable
from cloudkon.handler import Context
from cloudkon.memory.virtual_clock import EPOCH
from cloudkon.model import WORKER, Chunk, ChunkKey, Outgoing, Run, TaskState
from cloudkon.wire.message import encode_message
from cloudkon.wire.payload import encode_payload_ref, make_payload_ref
from images.worker.handlers import Handler
from tests.support.memory_fleet import Fleet

LARGE = "weigh " + "x" * 1_200_000


def handlers() -> dict[str, Handler]:
    async def weigh(arguments: str, context: Context) -> str:
        await trio.lowlevel.checkpoint()
        return str(len(arguments))

    return {"weigh": weigh}


async def push_large(fleet: Fleet, *, stored: Callable[[bytes], bytes] = bytes) -> Run:
    """Push a run of two tasks in one large chunk; ``stored`` may change the stored payload."""
    run = Run.plan(run_id="large", counts={WORKER.name: 2}, chunk_size=2, digest="", started=EPOCH)
    await fleet.ledger.create_run(run)
    chunk = Chunk(ChunkKey("large", 0, 1), 0, (LARGE, "weigh 12"))
    payload = encode_message(chunk).encode()
    parcel = make_payload_ref(WORKER.name, chunk, payload)
    if content := stored(payload):
        await fleet.store.put(parcel.object_key, content, "application/json", {})
    await fleet.queue.send([Outgoing(encode_payload_ref(parcel))])
    return run


async def test_large_chunk_runs_like_any_other(fleet: Fleet) -> None:
    run = await push_large(fleet)
    await fleet.worker(handlers=handlers(), until_empty=True, poll_seconds=0.05).run()
    assert [one.output for one in (await fleet.finish(run)).values()] == ["1200000", "2"]


async def test_missing_or_changed_payload_makes_a_dead_letter(fleet: Fleet) -> None:
    for stored, reason in (
        (lambda _: b"", "the chunk's payload is gone"),
        (lambda payload: payload[:-1], "bytes and not"),
        (lambda payload: payload.replace(b"x", b"y", 1), "is not what chunk large#0 was sent with"),
    ):
        await push_large(fleet, stored=stored)
        await fleet.worker(handlers=handlers(), until_empty=True, poll_seconds=0.05).run()
        (dead_letter,) = await fleet.rejected()
        assert reason in dead_letter.attributes["reason"]
        await fleet.dead_letters.delete([dead_letter])
        await fleet.store.delete(["payloads/worker/large/0.json"])


async def test_payload_replaced_by_a_larger_object_is_not_read(fleet: Fleet) -> None:
    """Whatever the object's size was a moment before: no more bytes than the message names are read."""
    limits: list[object] = []

    async def grow(call: Callable[..., Awaitable[Any]], address: str, destination: object, limit: object) -> object:
        limits.append(limit)
        await fleet.store.inner.put("payloads/worker/large/0.json", bytes(2_000_000), "application/json", {})  # type: ignore[attr-defined]  # the store behind
        return await call(address, destination, limit)

    fleet.store.around["get"] = grow
    await push_large(fleet)
    await fleet.worker(handlers=handlers(), until_empty=True, poll_seconds=0.05).run()
    (dead_letter,) = await fleet.rejected()
    (limit,) = limits
    assert dead_letter.attributes["reason"] == (
        "the chunk's payload was replaced: s3://memory/payloads/worker/large/0.json: "
        f"the object has 2,000,000 bytes, and at most {limit:,} can be right"
    )


async def test_unavailable_store_is_waited_for(fleet: Fleet) -> None:
    async def unavailable(call: Callable[..., Awaitable[Any]], *arguments: object) -> object:
        if fleet.store.calls["get"] <= 2:
            raise Unavailable("connection refused")
        return await call(*arguments)

    fleet.store.around["get"] = unavailable
    run = await push_large(fleet)
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker(handlers=handlers(), poll_seconds=0.05))
        assert {one.state for one in (await fleet.finish(run, within=60)).values()} == {TaskState.SUCCEEDED}
        assert not await fleet.rejected()
        scope.cancel()
