"""``RunCompletion``, the one place that decides whether a run is over; in virtual time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from client.dead_letters.dead_letters import DeadLetter
from client.follow.run_completion import ASK_SECONDS, QUIET_SECONDS, RunCompletion, is_idle
from client.follow.run_counts import RunCounts
from cloudkon.errors import Unavailable
from cloudkon.memory import MemoryLedger, MemoryQueue
from cloudkon.model import Chunk, ChunkKey, Depth, Outgoing, Run
from cloudkon.ports import Services
from cloudkon.wire.message import encode_message

MINUTES = 3 * QUIET_SECONDS
EMPTY = Depth(0, 0, 0)


class CountingLedger(MemoryLedger):
    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self.calls = calls

    async def read_run(self, run_id: str) -> Run | None:
        self.calls["read_run"] += 1
        return await super().read_run(run_id)


class CountingQueue(MemoryQueue):
    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self.calls = calls
        self.unavailable = False

    async def depth(self) -> Depth:
        self.calls["depth"] += 1
        if self.unavailable:
            raise Unavailable("nothing answers")
        return await super().depth()


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


@pytest.fixture
def queue(calls: Counter[str]) -> CountingQueue:
    return CountingQueue(calls)


@pytest.fixture
def fleet(services: Services, calls: Counter[str], queue: CountingQueue) -> Services:
    return replace(services, queues={"worker": queue}, ledger=CountingLedger(calls))


async def pushed(fleet: Services, tasks: int = 4) -> Run:
    run = Run.plan(run_id="r1", counts={"worker": tasks}, chunk_size=1, digest="d", started=0.0)
    return await fleet.ledger.create_run(run)


async def seconds_until_over(completion: RunCompletion, counts: RunCounts, every: float = 1.0) -> float | None:
    """Ask every ``every`` seconds; return when the run was over, or ``None`` if it wasn't within ``MINUTES``."""
    began = trio.current_time()
    while (now := trio.current_time()) <= began + MINUTES:
        if await completion.is_over(counts, now):
            return now - began
        await trio.sleep(every)
    return None


async def test_complete_run_is_over_without_a_request(
    fleet: Services, calls: Counter[str], autojump_clock: MockClock
) -> None:
    run = await pushed(fleet)
    completion = RunCompletion(fleet, run, on_stranded=lambda _: None)
    assert await completion.is_over(RunCounts(run, succeeded=3, failed=1), 0.0)
    assert not calls


async def test_incomplete_run_is_never_over_while_it_is_not_cancelled(
    fleet: Services, autojump_clock: MockClock
) -> None:
    run = await pushed(fleet)
    assert await seconds_until_over(RunCompletion(fleet, run), RunCounts(run, succeeded=3)) is None


async def test_cancelled_run_is_over_after_its_queues_were_empty_for_a_minute(
    fleet: Services, autojump_clock: MockClock
) -> None:
    run = await pushed(fleet)
    await fleet.ledger.cancel_run(run.id)
    over = await seconds_until_over(RunCompletion(fleet, run), RunCounts(run, cancelled=1))
    assert over == pytest.approx(QUIET_SECONDS, abs=ASK_SECONDS)


async def test_cancelled_run_is_not_over_while_a_chunk_is_held(
    fleet: Services, calls: Counter[str], autojump_clock: MockClock
) -> None:
    run = await pushed(fleet)
    await fleet.ledger.cancel_run(run.id)
    assert await seconds_until_over(RunCompletion(fleet, run), RunCounts(run, running=1)) is None
    assert not calls, "the counts alone decide that"


async def test_message_on_the_queue_starts_the_minute_anew(fleet: Services, autojump_clock: MockClock) -> None:
    run = await pushed(fleet)
    await fleet.ledger.cancel_run(run.id)
    last_seen = QUIET_SECONDS / 2

    async def queue_one() -> None:
        await trio.sleep(last_seen - ASK_SECONDS - 0.5)
        await fleet.queues["worker"].send([Outgoing("another run's")])
        await trio.sleep(ASK_SECONDS)
        await fleet.queues["worker"].purge()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue_one)
        over = await seconds_until_over(RunCompletion(fleet, run), RunCounts(run))
    assert over == pytest.approx(last_seen + QUIET_SECONDS, abs=2 * ASK_SECONDS)


async def test_unavailable_queue_decides_nothing(
    fleet: Services, queue: CountingQueue, autojump_clock: MockClock
) -> None:
    run = await pushed(fleet)
    await fleet.ledger.cancel_run(run.id)
    queue.unavailable = True
    completion = RunCompletion(fleet, run, on_stranded=lambda _: None)
    assert await seconds_until_over(completion, RunCounts(run)) is None


async def test_queues_are_asked_every_five_seconds_however_often_the_loop_asks(
    fleet: Services, calls: Counter[str], autojump_clock: MockClock
) -> None:
    run = await pushed(fleet)
    assert await seconds_until_over(RunCompletion(fleet, run), RunCounts(run), every=0.5) is None
    assert calls["read_run"] == MINUTES / ASK_SECONDS + 1
    assert calls["depth"] == 0, "a run that is not cancelled needs no depths"


async def test_stranded_run_is_over_after_a_minute_with_its_dead_letters(
    fleet: Services, autojump_clock: MockClock
) -> None:
    run = await pushed(fleet, 2)
    lost = encode_message(Chunk(ChunkKey(run.id, 1, run.shards), 1, ("resize a",)))
    await fleet.dead_letters["worker"].send([Outgoing(lost, {"reason": "no handler"})])
    letters: list[DeadLetter] = []
    completion = RunCompletion(fleet, run, on_stranded=letters.extend)
    over = await seconds_until_over(completion, RunCounts(run, succeeded=1))
    assert over == pytest.approx(QUIET_SECONDS, abs=2 * ASK_SECONDS)
    assert [letter.reason for letter in letters] == ["no handler"]


async def test_dead_letters_are_not_looked_for_without_a_callback(
    fleet: Services, calls: Counter[str], autojump_clock: MockClock
) -> None:
    run = await pushed(fleet, 1)
    lost = encode_message(Chunk(ChunkKey(run.id, 0, run.shards), 0, ("resize a",)))
    await fleet.dead_letters["worker"].send([Outgoing(lost)])
    assert await seconds_until_over(RunCompletion(fleet, run), RunCounts(run)) is None
    assert calls["depth"] == 0


async def test_error_of_the_callback_reaches_the_loop(fleet: Services, autojump_clock: MockClock) -> None:
    run = await pushed(fleet, 1)
    lost = encode_message(Chunk(ChunkKey(run.id, 0, run.shards), 0, ("resize a",)))
    await fleet.dead_letters["worker"].send([Outgoing(lost)])

    def refuse(letters: Sequence[DeadLetter]) -> None:
        raise LookupError(letters[0].pool)

    with pytest.raises(LookupError, match="worker"):
        await seconds_until_over(RunCompletion(fleet, run, on_stranded=refuse), RunCounts(run))


async def test_missing_tasks_are_reported_every_minute_and_end_nothing(
    fleet: Services, autojump_clock: MockClock
) -> None:
    run = await pushed(fleet, 5)
    reported: list[tuple[float, int]] = []
    began = trio.current_time()
    completion = RunCompletion(
        fleet,
        run,
        on_stranded=lambda _: None,
        on_missing=lambda tasks: reported.append((trio.current_time() - began, tasks)),
    )
    assert await seconds_until_over(completion, RunCounts(run, succeeded=2)) is None
    assert [tasks for _, tasks in reported] == [3, 3]
    assert [at for at, _ in reported] == pytest.approx([QUIET_SECONDS, 2 * QUIET_SECONDS], abs=2 * ASK_SECONDS)


def test_snapshots_decide_without_a_request(fleet: Services, calls: Counter[str]) -> None:
    run = Run.plan(run_id="r1", counts={"worker": 4}, chunk_size=1, digest="d", started=0.0)
    completion = RunCompletion(fleet, run)

    def over(now: float, *, cancelled: bool = True, running: int = 0, depth: Depth = EMPTY) -> bool:
        return completion.is_over_by_snapshot(
            complete=False, cancelled=cancelled, running=running, depths=[depth], now=now
        )

    assert not over(0.0)
    assert not over(QUIET_SECONDS - 1)
    assert over(QUIET_SECONDS)
    assert not over(QUIET_SECONDS + 1, cancelled=False), "an unreadable fleet starts the minute anew"
    assert not over(2 * QUIET_SECONDS)
    assert not over(3 * QUIET_SECONDS - 1, depth=Depth(1, 0, 0))
    assert not over(3 * QUIET_SECONDS, running=1)
    assert completion.is_over_by_snapshot(complete=True, cancelled=False, running=0, depths=[], now=0.0)
    assert not calls


@pytest.mark.parametrize(
    ("running", "depths", "idle"),
    [(0, [EMPTY, EMPTY], True), (1, [EMPTY], False), (0, [EMPTY, Depth(0, 1, 0)], False), (0, [Depth(0, 0, 1)], False)],
    ids=["empty", "chunk held", "in flight", "delayed"],
)
def test_idle_means_no_held_chunk_and_no_message(running: int, depths: list[Depth], idle: bool) -> None:
    assert is_idle(running, depths) is idle
