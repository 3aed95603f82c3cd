"""Each lost claim is logged and counted once, wherever the worker notices the loss."""

import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.log import Log
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState
from cloudkon.ports import Update, WriteOutcome
from images.worker.pipeline.lost_claims import LostClaims
from tests.support.fault_injection import Call
from tests.support.memory_fleet import LEASE, Fleet, until

Fault = Callable[[Fleet], Awaitable[None]]


async def lose_to_another(fleet: Fleet, is_it: Callable[[Update], bool]) -> None:
    """Refuse the first update of that kind, and let the read after it show another owner."""

    async def refuse(call: Call, writes: Sequence[Any]) -> object:
        if not any(isinstance(one, Update) and is_it(one) for one in writes):
            return await call(writes)
        fleet.ledger.around = {"read": show_another}
        return [WriteOutcome.REFUSED] * len(writes)

    async def show_another(call: Call, keys: Sequence[ChunkKey]) -> list[ChunkRecord]:
        fleet.ledger.around = {}
        return [replace(record, owner="another") for record in await call(keys)]

    fleet.ledger.around["write"] = refuse


async def refuse_renewal(fleet: Fleet) -> None:
    await lose_to_another(fleet, lambda update: update.lease_not_after is not None)


async def refuse_completion(fleet: Fleet) -> None:
    await lose_to_another(fleet, lambda update: update.record.state is ChunkState.DONE)


async def fail_for_a_lease(fleet: Fleet) -> None:
    async def fail(call: Call, *arguments: object) -> None:
        if fleet.work.starts and not fleet.work.running:
            fleet.ledger.around.clear()
        raise Unavailable("the ledger does not answer")

    async def claim(call: Call, writes: Sequence[object]) -> object:
        fleet.ledger.around = {"write": fail, "read": fail}
        return await call(writes)

    fleet.ledger.around["write"] = claim


async def answer_claim_late(fleet: Fleet) -> None:
    async def answer(call: Call, writes: Sequence[object]) -> object:
        fleet.ledger.around.clear()
        answer = await call(writes)
        await trio.sleep(LEASE)
        return answer

    fleet.ledger.around["write"] = answer


@pytest.mark.parametrize(
    ("fault", "stage", "why"),
    [
        (refuse_renewal, "running", "renewal refused"),
        (fail_for_a_lease, "running", "not renewed in time"),
        (refuse_completion, "complete", None),
        (answer_claim_late, "claim", "answered too late"),
    ],
    ids=lambda one: one.__name__ if callable(one) else None,
)
async def test_lost_claim_is_logged_and_counted_wherever_it_is_noticed(
    fleet: Fleet,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    stage: str,
    why: str | None,
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr("tests.support.memory_fleet.Log", lambda _: Log("info", {}, write))
    run = await fleet.push("work 100")
    await fault(fleet)
    worker = fleet.worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(lambda: worker._services.lost_claims.count)
        await fleet.finish(run)
        worker.stop()
    os.close(write)

    lines = written(read)
    assert [(line["stage"], line.get("why")) for line in lines if line["action"] == "claim-lost"] == [(stage, why)]
    assert [line["claims_lost"] for line in lines if line["action"] == "ended"] == [1]


def test_losses_are_counted_since_the_start() -> None:
    read, write = os.pipe()
    losses = LostClaims(Log("info", {}, write))
    losses.add(ChunkKey("run", 7, 1), "complete")
    losses.add(ChunkKey("run", 8, 1), "running", why="renewal refused")
    os.close(write)

    assert losses.count == 2
    assert [line["action"] for line in written(read)] == ["claim-lost"] * 2


def written(read: int) -> list[dict[str, Any]]:
    with os.fdopen(read) as lines:
        return [json.loads(line) for line in lines]
