import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
from rich.console import Console

from client.cli.view.formatting import clock_time
from client.cli.view.watch_view import as_line, as_panel
from client.costs import estimate_cost
from client.follow.run_completion import QUIET_SECONDS
from client.follow.wait import wait_for
from client.follow.watch import EVERY_SECONDS, FIRST_PAGES, RunSnapshot, Watch
from cloudkon.errors import AccessDenied, Unavailable
from cloudkon.memory import MemoryLedger, MemoryQueue
from cloudkon.model import Depth, Outgoing, Result, Run, TaskId, TaskState
from cloudkon.ports import Page, Services, TrioClock
from tests.support.client_doubles import record_results, succeeded


class CountingLedger(MemoryLedger):
    """Counts requests, and fails as long as ``error`` is set."""

    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self.calls = calls
        self.error: Exception | None = None

    async def read_run(self, run_id: str) -> Run | None:
        self.calls["read_run"] += 1
        return await super().read_run(run_id)

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        self.calls["page"] += 1
        if self.error:
            raise self.error
        return await super().page(run, shard, first)


class CountingQueue(MemoryQueue):
    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self.calls = calls

    async def depth(self) -> Depth:
        self.calls["depth"] += 1
        return await super().depth()


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


@pytest.fixture
def fleet(services: Services, calls: Counter[str]) -> Services:
    return replace(services, queues={"worker": CountingQueue(calls)}, ledger=CountingLedger(calls))


def make_run(count: int) -> Run:
    return Run.plan(run_id="r1", counts={"worker": count}, chunk_size=1, digest="d", started=0.0)


async def follow(fleet: Services, run: Run, snapshots: list[RunSnapshot]) -> Any:  # noqa: ANN401  (a counts)
    async def note(snapshot: RunSnapshot) -> None:
        await trio.lowlevel.checkpoint()
        snapshots.append(snapshot)

    return await Watch(fleet, run).follow(note)


async def queue_all(fleet: Services, count: int) -> None:
    for _ in range(0, count, 10):
        await fleet.queues["worker"].send([Outgoing("{}")] * 10)


@pytest.mark.parametrize("count", [200, 20_000])
async def test_watching_costs_the_same_for_any_size(
    fleet: Services, calls: Counter[str], autojump_clock: trio.testing.MockClock, count: int
) -> None:
    run = make_run(count)
    await fleet.ledger.create_run(run)
    await queue_all(fleet, 20)
    await record_results(fleet, run, succeeded(run, range(count // 2)))
    snapshots: list[RunSnapshot] = []
    with trio.move_on_after(600):
        await follow(fleet, run, snapshots)
    assert len(snapshots) == 600 / EVERY_SECONDS
    assert calls.total() <= 600 / EVERY_SECONDS * 4 + FIRST_PAGES
    assert snapshots[-1].counts.ended == pytest.approx(count / 2, rel=0.01)


async def test_last_counts_of_an_ended_run_are_exact(
    fleet: Services, calls: Counter[str], autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(20_000)
    await fleet.ledger.create_run(run)
    await queue_all(fleet, 10)

    async def work() -> None:
        for begin in range(0, 20_000, 1_000):
            await trio.sleep(10)
            await record_results(fleet, run, succeeded(run, range(begin, begin + 1_000)))
        await fleet.queues["worker"].purge()

    snapshots: list[RunSnapshot] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        counts = await follow(fleet, run, snapshots)
    assert counts.all_succeeded
    assert counts.busy_seconds == 20_000
    assert trio.current_time() < 200 + 4 * EVERY_SECONDS, "watching ends when the run does"
    middle = snapshots[10]
    assert not middle.counts.exact
    assert middle.rate == pytest.approx(100, rel=0.15)
    assert middle.seconds_left == pytest.approx(100, rel=0.25)
    assert [snapshot.complete for snapshot in snapshots][-2:] == [False, True]
    assert calls["page"] < 64 * 3 + 20 * 3, "each shard's end is read once, not for every snapshot"


async def test_throttling_and_a_lost_connection_are_waited_out(
    fleet: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(100)
    await fleet.ledger.create_run(run)
    await record_results(fleet, run, succeeded(run, range(50)))
    assert isinstance(fleet.ledger, CountingLedger)
    ledger = fleet.ledger

    async def break_down() -> None:
        await trio.sleep(15)
        ledger.error = Unavailable("nothing answers")
        await trio.sleep(1000)
        ledger.error = None
        await record_results(fleet, run, succeeded(run, range(50, 100)))

    snapshots: list[RunSnapshot] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(break_down)
        counts = await follow(fleet, run, snapshots)
    assert counts.all_succeeded
    assert snapshots[50].trouble == "nothing answers"
    assert snapshots[50].counts.ended == 50, "known counts stay on display"
    assert snapshots[50].news_at == snapshots[40].news_at < snapshots[-1].news_at, "the time is that of the last update"
    assert f"no update since {clock_time(snapshots[50].news_at)}" in as_line(snapshots[50])
    assert snapshots[-1].trouble == ""


async def test_expired_credentials_end_watching(fleet: Services, autojump_clock: trio.testing.MockClock) -> None:
    run = make_run(100)
    await fleet.ledger.create_run(run)
    assert isinstance(fleet.ledger, CountingLedger)
    fleet.ledger.error = AccessDenied("the token has expired")
    with pytest.raises(AccessDenied):
        await follow(fleet, run, [])


async def test_slow_tasks_failures_and_workers_are_shown(
    fleet: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(30)
    now = 2_000_000_000.0
    results: Sequence[Result] = [
        Result(TaskId("r1", seq), TaskState.SUCCEEDED, started=now, seconds=float(seq), worker=f"w{seq % 3}")
        for seq in range(28)
    ]
    failed = [Result(TaskId("r1", seq), TaskState.FAILED, error=f"no file {seq}") for seq in (28, 29)]
    await record_results(fleet, run, [*results, *failed])
    snapshots: list[RunSnapshot] = []
    await follow(fleet, run, snapshots)
    highlights = snapshots[-1].highlights
    assert [one.task.seq for one in highlights.slowest()] == [27, 26, 25]
    [kind] = highlights.failures.kinds()
    assert (kind.count, kind.pattern, kind.example.error) == (2, "no file N", "no file 28")
    assert snapshots[-1].workers == {"worker": 3}


async def test_dead_letters_are_shown_when_nothing_else_is_left(
    fleet: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(10)
    await fleet.ledger.create_run(run)
    await record_results(fleet, run, succeeded(run, range(8)))
    await fleet.dead_letters["worker"].send([Outgoing("{}")] * 2)
    await queue_all(fleet, 10)
    watch = Watch(fleet, run)
    assert (await watch.snapshot()).dead_letters == 0, "there is work on the queue"
    await fleet.queues["worker"].purge()
    assert as_line(await watch.snapshot()).endswith("2 dead letters: python -m client dlq list")


async def test_fleet_without_workers_is_shown_with_the_command_that_starts_one(
    fleet: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(10)
    await fleet.ledger.create_run(run)
    await queue_all(fleet, 10)
    young = Watch(fleet, replace(run, started=TrioClock().wall()))
    assert "scale" not in as_line(await young.snapshot()), "workers get time to start"
    watch = Watch(fleet, run)
    assert as_line(await watch.snapshot()).endswith("no active worker: python -m fleet scale 1 --pool worker")
    await fleet.queues["worker"].receive(1, 0, 600)
    assert "scale" not in as_line(await watch.snapshot()), "a worker has received a message"


@pytest.mark.long
async def test_panel_fits_its_terminal(fleet: Services, autojump_clock: trio.testing.MockClock) -> None:
    run = make_run(2_000_000)
    await fleet.ledger.create_run(run)
    failed = [Result(TaskId("r1", seq), TaskState.FAILED, error="no\x1b[31m file " * 20) for seq in range(3)]
    await record_results(fleet, run, [*succeeded(run, range(3, 100)), *failed])
    watch = Watch(fleet, run)
    await watch.snapshot()
    await trio.sleep(EVERY_SECONDS)
    snapshot = await watch.snapshot()
    console = Console(width=60, record=True, file=io.StringIO(), color_system=None, force_terminal=True)
    console.print(as_panel(snapshot, {0: "sleep 1"}, console.width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("run r1: 2,000,000 tasks")
    assert "of 2,000,000" in lines[2]
    assert any(line.startswith("failed 3x: task 0 (sleep 1): no\\x1b[31m file") for line in lines)
    assert "\x1b" not in "".join(lines)


async def test_cost_of_requests_is_shown_where_they_cost(
    fleet: Services, autojump_clock: trio.testing.MockClock
) -> None:
    run = make_run(20_000)
    await fleet.ledger.create_run(run)
    spent: list[float] = []
    for ended in (0, 10_000, 20_000):
        await record_results(fleet, run, succeeded(run, range(max(0, ended - 10_000), ended)))
        snapshot = await Watch(fleet, run, priced=True).snapshot()
        spent.append(snapshot.dollars or 0.0)
        assert "of requests so far" in "".join(str(text) for text in as_panel(snapshot, {}, 80).renderables)
    whole = estimate_cost(20_000, 20_000, 0, 20_000.0).total
    assert 0 < spent[0] < whole / 10, "sending"
    assert spent[1] == pytest.approx((spent[0] + spent[2]) / 2, rel=0.02)
    assert spent[2] == pytest.approx(whole)
    snapshot = await Watch(fleet, run).snapshot()
    assert snapshot.dollars is None
    assert "of requests" not in "".join(str(text) for text in as_panel(snapshot, {}, 80).renderables)


@pytest.mark.parametrize("how", ["watch", "check"])
async def test_cancelled_run_whose_push_never_finished_ends(
    fleet: Services, autojump_clock: trio.testing.MockClock, how: str
) -> None:
    run = make_run(100)
    await fleet.ledger.create_run(run)
    await queue_all(fleet, 10)
    await record_results(fleet, run, succeeded(run, range(50)))

    async def end() -> None:
        await trio.sleep(100)
        await fleet.ledger.cancel_run("r1")
        await trio.sleep(100)
        await fleet.queues["worker"].purge()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end)
        if how == "watch":
            counts = await follow(fleet, run, [])
        else:
            counts = await wait_for(fleet, run, lambda _counts, _ended: None)
    assert (counts.ended, counts.waiting) == (50, 50)
    assert 200 + QUIET_SECONDS <= trio.current_time() < 200 + QUIET_SECONDS + 3 * EVERY_SECONDS
