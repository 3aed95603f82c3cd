"""Answers that are lost are neither yes nor no: what may have happened is looked up, taken back or done again."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from cloudkon.errors import Unavailable
from cloudkon.handler import Context
from cloudkon.model import Delivery, TaskState
from cloudkon.ports import Insert, QueueOutcome, Update, Write
from tests.support.fault_injection import Call
from tests.support.memory_fleet import LEASE, Fleet, until


async def test_claim_that_fails_after_its_effect_is_released(fleet: Fleet, autojump_clock: MockClock) -> None:
    async def fail_once(call: Call, writes: Sequence[Write]) -> object:
        answer = await call(writes)
        if fleet.ledger.calls["write"] == 1:
            assert isinstance(writes[0], Insert)
            raise TypeError("odd answer")
        return answer

    fleet.ledger.around["write"] = fail_once
    run = await fleet.push("work 1")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        results = await fleet.finish(run, within=LEASE / 2)
        scope.cancel()
    assert results[0].state is TaskState.SUCCEEDED
    record = await fleet.record(run)
    assert (record.attempt, record.progress.losses) == (2, 0)


async def test_claim_without_an_answer_for_a_lease_is_withdrawn_and_no_worker_counts_as_dead(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    """The first insert takes effect, and the ledger answers nothing for as long as the worker tries to claim."""

    async def silent(call: Call, entries: Sequence[object]) -> object:
        answer = await call(entries)
        if trio.current_time() < LEASE + 10:
            raise Unavailable("no answer")
        return answer

    fleet.ledger.around.update(write=silent, read=silent)
    run = await fleet.push("work 1")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        results = await fleet.finish(run, within=4 * LEASE)
        scope.cancel()
    assert results[0].state is TaskState.SUCCEEDED
    assert (await fleet.record(run)).progress.losses == 0


async def test_chunk_that_was_given_up_is_released_only_when_its_tasks_have_stopped(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    async def stubborn(arguments: str, context: Context) -> str:
        done: list[str] = []
        with trio.CancelScope(shield=len(fleet.work.attempts) == 0):
            done.append(await fleet.work.work(arguments, context))
        return done[0]

    async def fail_renewal(call: Call, writes: Sequence[Write]) -> object:
        answer = await call(writes)
        if any(isinstance(one, Update) and one.lease_not_after for one in writes):
            fleet.ledger.around.clear()
            raise TypeError("odd answer")
        return answer

    fleet.ledger.around["write"] = fail_renewal
    run = await fleet.push("stubborn 40")
    handlers = fleet.work.handlers(stubborn=stubborn)
    async with trio.open_nursery() as nursery:
        scopes = [fleet.start(nursery, fleet.worker(name, handlers)) for name in ("one", "two")]
        await fleet.finish(run)
        for scope in scopes:
            scope.cancel()
    assert fleet.work.starts[0] == 2
    assert fleet.work.most_running == 1, "the task ran in two workers at once"
    assert (await fleet.record(run)).progress.losses == 0


async def test_failed_hide_is_made_again_at_the_next_check(fleet: Fleet, autojump_clock: MockClock) -> None:
    hidden: list[float] = []

    async def fail_twice(call: Call, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> object:
        hidden.append(trio.current_time())
        if len(hidden) <= 2:
            return [QueueOutcome.FAILED] * len(deliveries)
        return await call(deliveries, seconds)

    run = await fleet.push("work 100")
    async with trio.open_nursery() as nursery:
        scope = fleet.start(nursery, fleet.worker())
        await until(lambda: fleet.work.running)
        fleet.queue.around["set_visibility"] = fail_twice
        await fleet.finish(run)
        scope.cancel()
    assert hidden[2] - hidden[0] < LEASE / 4
    assert fleet.queue.calls["receive"] < 20
