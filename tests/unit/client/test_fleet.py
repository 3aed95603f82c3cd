"""The Python interface, on a fleet in memory with a real worker."""

import asyncio
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import trio

from client import Fleet, FleetClosed, RunCounts, Selection, TaskFailed, TaskState
from cloudkon.errors import (
    AccessDenied,
    InvalidInput,
    InvalidWorkload,
    ObjectMissing,
    ObjectTooLarge,
    PermanentFailure,
    UnknownRun,
)
from cloudkon.memory import MemoryLedger, memory_services
from cloudkon.model import Run
from cloudkon.ports import Page, Services
from cloudkon.settings import Settings
from images.worker.testing import worker
from tests.support.client_doubles import BreakingQueue, with_queue
from tests.support.patience import PATIENCE


async def shout(arguments: str, _context: object) -> str:
    return arguments.upper()


async def fail(arguments: str, _context: object) -> str:
    raise PermanentFailure(arguments)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet.in_memory(worker({"shout": shout, "fail": fail}, slots=4, cancel_poll_seconds=0.1)) as opened:
        yield opened


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet without workers."""
    with Fleet(Settings(state_dir=tmp_path), services=memory_services()) as opened:
        yield opened


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises ``KeyboardInterrupt`` as in a script, whatever runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_results_yields_each_result_once_and_ends_with_the_run(fleet: Fleet) -> None:
    run = fleet.submit((f"shout {number}" for number in range(500)), chunk=7)
    found = list(run.results(PATIENCE))
    assert sorted(result.task.seq for result in found) == list(range(500))
    assert all(result.output == str(result.task.seq) for result in found)
    assert len(run) == len(list(run.results(PATIENCE))) == 500, "another call yields all results again"


def test_map_keeps_the_order_and_raises_at_a_failed_task(fleet: Fleet) -> None:
    outputs = fleet.map("{} {}", ["shout", "shout", "fail", "shout"], "abcd", timeout=PATIENCE)
    assert [next(outputs), next(outputs)] == ["A", "B"]
    with pytest.raises(TaskFailed, match="failed, attempt 1: c") as caught:
        next(outputs)
    assert next(outputs) == "D"
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.recorded) == (str(caught.value), caught.value.recorded)


def test_map_of_an_empty_iterable_pushes_nothing(fleet: Fleet) -> None:
    assert list(fleet.map("shout {}", [])) == []
    assert not fleet.runs()


def test_futures_work_with_the_standard_library(fleet: Fleet) -> None:
    run = fleet.submit(["shout a", "fail b", "shout c"])
    assert run.futures is run.futures
    assert set(as_completed(run.futures, PATIENCE)) == set(run.futures)
    first, second, third = run.futures
    assert (first.result(), third.result(), third.task.seq) == ("A", "C", 2)
    assert isinstance(second.exception(), TaskFailed)
    assert second.recorded is not None
    assert second.recorded.state is TaskState.FAILED


def test_callback_of_a_future_may_use_the_fleet(fleet: Fleet) -> None:
    followed: list[str] = []
    done = threading.Event()

    def go_on(_future: object) -> None:
        followed.extend(fleet.map("shout {}", ["next"], timeout=PATIENCE))
        done.set()

    fleet.submit(["shout first"]).futures[0].add_done_callback(go_on)
    assert done.wait(PATIENCE)
    assert followed == ["NEXT"]


def test_tasks_of_a_cancelled_run_are_cancelled(fleet: Fleet) -> None:
    run = fleet.submit(["sleep 60000"])
    (future,) = run.futures
    assert not future.cancel(), "a single task can't be cancelled"
    assert not future.done()
    run.cancel()
    wait([future], PATIENCE)
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()
    assert [result.state for result in run.results(PATIENCE)] == [TaskState.CANCELLED]


def test_run_opened_by_id_can_be_waited_for_and_retried(fleet: Fleet) -> None:
    first = fleet.submit(["shout a", "fail on disk 17", "fail on disk 18"], chunk=3)
    run = fleet.run(first.id)
    counts = run.wait(PATIENCE)
    assert (counts.succeeded, counts.failed, run.check().ended) == (1, 2, 3)
    (kind,) = run.failures()
    assert (kind.count, kind.pattern) == (2, "on disk N")
    child = run.retry(chunk=1)
    assert (child.parent, len(child), [one.state for one in child.in_order(PATIENCE)]) == (first.id, 2, ["FAILED"] * 2)
    assert [view.run.id for view in fleet.runs(limit=2)] == [child.id, first.id]
    with pytest.raises(InvalidInput, match="it has no task to retry"):
        run.retry(lost_only=True)


@pytest.mark.parametrize("name", ["on_counts", "on_tally"])
def test_waiting_reports_counts_to_the_callback_by_either_name(fleet: Fleet, name: str) -> None:
    seen: list[tuple[int, int]] = []

    def note(counts: RunCounts, ended: int) -> None:
        seen.append((counts.succeeded, ended))

    fleet.submit(["shout a", "shout b"]).wait(PATIENCE, **{name: note})
    assert seen[-1] == (2, 2)


def test_both_names_of_the_callback_are_refused(idle: Fleet) -> None:
    run = idle.submit(["sleep 1"])
    with pytest.raises(InvalidInput, match="on_tally: it is the old name of on_counts"):
        run.wait(0.05, on_counts=lambda _counts, _ended: None, on_tally=lambda _counts, _ended: None)


def test_recorded_results_can_be_selected(fleet: Fleet) -> None:
    run = fleet.submit([*(f"shout {number}" for number in range(2_500)), "fail x"], chunk=500)
    run.wait(PATIENCE)
    assert len(list(run.recorded())) == 2_501
    chosen = run.recorded(Selection(instruction="shout 1?"))
    assert sorted(result.output for result in chosen) == [str(number) for number in range(10, 20)]
    assert [one.error for one in run.recorded(Selection(states=[TaskState.FAILED]))] == ["x"]
    assert next(run.recorded()) is not None, "an iterator that is left early blocks nothing"


def test_long_output_is_fetched_by_its_address(fleet: Fleet) -> None:
    (address,) = fleet.map("shout {}", ["x" * 5000], timeout=PATIENCE)
    assert fleet.fetch(address) == b"X" * 5000
    with pytest.raises(ObjectTooLarge):
        fleet.fetch(address, limit=4999)
    with pytest.raises(ObjectMissing):
        fleet.fetch(address + "x")
    with pytest.raises(InvalidInput):
        fleet.fetch("nowhere")


def test_tasks_of_several_pools_keep_the_order_of_their_instructions(idle: Fleet) -> None:
    run = idle.submit(["animoto https://a.example/1.jpg", "sleep 1", "animoto https://a.example/2.jpg", "sleep 2"])
    assert [future.task.seq for future in run.futures] == [0, 2, 1, 3]


@pytest.mark.parametrize(
    ("instructions", "reason"),
    [
        ("sleep 1", "this is one string"),
        (["sleep 1", ""], "instruction 1 ''"),
        (["# sleep"], "empty, a comment"),
        (["sleep 1\nsleep 2"], "more than one line"),
        ([], "nightly: it has no instructions"),
        (["sleep 1", "slep 2", "sleep x"], "2 problems in 3 lines; nothing was sent"),
    ],
)
def test_bad_instructions_are_refused_before_anything_is_sent(
    idle: Fleet, instructions: list[str], reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        idle.submit(instructions, name="nightly")
    assert not idle.runs()


def test_instruction_that_is_no_string_is_refused(idle: Fleet) -> None:
    with pytest.raises(InvalidInput, match="instruction 1 3: it is not a string"):
        idle.submit(cast("list[str]", ["sleep 1", 3]))


def test_threads_that_submit_the_same_instructions_get_a_run_each(fleet: Fleet) -> None:
    """Two processes that push the same workload are an error; two threads of one program are not."""

    def work(_number: int) -> str:
        run = fleet.submit(["shout same"] * 50)
        assert run.wait(PATIENCE).succeeded == 50
        return run.id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(8)))) == 8


def test_fleet_works_while_an_event_loop_runs(fleet: Fleet) -> None:
    """Notebooks and web servers have one. Calls block the loop; futures don't."""

    async def work() -> list[str]:
        return list(fleet.map("shout {}", ["a", "b"], timeout=PATIENCE))

    async def wait_for_futures() -> list[str]:
        run = fleet.submit(["shout a", "shout b"])
        return await asyncio.gather(*map(asyncio.wrap_future, run.futures))

    assert asyncio.run(work()) == trio.run(work) == asyncio.run(wait_for_futures()) == ["A", "B"]


@pytest.mark.parametrize("chunk", [0, 1001, "many", 2.5, None])
def test_bad_chunk_size_is_refused(idle: Fleet, chunk: int | str) -> None:
    with pytest.raises(InvalidInput):
        idle.submit(["sleep 1"], chunk=chunk)


def test_high_priority_goes_to_its_own_queue(idle: Fleet) -> None:
    idle.submit(["sleep 1"], priority="high")
    (pool, _) = idle.pools()
    assert (pool.pool, pool.high.visible, pool.normal.visible) == ("worker", 1, 0)
    with pytest.raises(InvalidInput, match="unknown priority"):
        idle.submit(["sleep 1"], priority="highest")


def test_pictures_are_uploaded_once_and_links_stay(idle: Fleet, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"the same")
    first, second, link = idle.upload(tmp_path / "a.jpg", tmp_path / "b.jpg", "https://a.example/1.jpg")
    assert first == second
    assert idle.fetch(first) == b"the same"
    assert link == "https://a.example/1.jpg"


def test_auto_chunks_are_sized_by_task_seconds(idle: Fleet) -> None:
    idle.submit(["sleep 10"] * 100, chunk="auto")
    assert idle.runs()[0].run.chunk_size == 25


def test_broken_off_submission_continues_as_the_same_run(tmp_path: Path) -> None:
    services, queue = memory_services(), BreakingQueue(1)
    settings = Settings(state_dir=tmp_path)
    with Fleet(settings, services=with_queue(services, "worker", queue)) as fleet:
        instructions = [f"sleep {number}" for number in range(25)]
        with pytest.raises(Exception, match="of 25 messages of run") as broken:
            fleet.submit(instructions)
        queue.batches = 100
        assert fleet.submit(instructions).id in str(broken.value)


def test_refusal_of_a_service_is_raised_by_results_and_futures(tmp_path: Path) -> None:
    class Forbidden(MemoryLedger):
        async def page(self, run: Run, shard: int, first: int = 0) -> Page:
            raise AccessDenied(f"the credentials have expired: {run.id}, {shard}, {first}")

    services = replace(memory_services(), ledger=Forbidden())
    with Fleet(Settings(state_dir=tmp_path), services=services) as fleet:
        run = fleet.submit(["sleep 1"])
        assert isinstance(run.futures[0].exception(PATIENCE), AccessDenied)
        with pytest.raises(AccessDenied):
            next(run.results(PATIENCE))


def test_waiting_ends_at_its_timeout(idle: Fleet) -> None:
    run = idle.submit(["sleep 1"])
    for waiting in (lambda: run.wait(0.05), lambda: list(run.results(0.05)), lambda: run.futures[0].result(0.05)):
        with pytest.raises(TimeoutError):
            waiting()
    assert run.check().waiting == 1


def waits_for_fleet(thread: int) -> bool:
    """Whether a thread waits for the fleet's own thread."""
    frame = sys._current_frames().get(thread)
    while frame and frame.f_code is not Future.result.__code__:
        frame = frame.f_back
    return frame is not None


def test_ctrl_c_ends_only_the_waiting_and_says_how_to_continue(idle: Fleet, interruptible: None) -> None:
    run = idle.submit(["sleep 1"])
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        # A signal before the program waits would end the tests.
        while not waits_for_fleet(main):
            time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        run.wait(PATIENCE)
    thread.join()
    assert caught.value.__notes__ == [
        f"Run {run.id} goes on without this program. Open it again with: Fleet().run('{run.id}')"
    ]
    assert idle.run().check().waiting == 1, "the fleet is still usable"


def test_closing_a_fleet_ends_all_waiting(tmp_path: Path) -> None:
    fleet = Fleet(Settings(state_dir=tmp_path), services=memory_services())
    run = fleet.submit(["sleep 1"])
    (future,) = run.futures
    results = run.results()
    threading.Timer(0.2, fleet.close).start()
    with pytest.raises(FleetClosed):
        next(results)
    assert isinstance(future.exception(PATIENCE), FleetClosed)
    fleet.close()
    with pytest.raises(FleetClosed, match=r"Fleet\(\).run\(ID\)"):
        fleet.run(run.id)


def test_unclosed_fleet_ends_with_its_last_reference(tmp_path: Path) -> None:
    fleet = Fleet(Settings(state_dir=tmp_path), services=memory_services())
    thread = next(one for one in threading.enumerate() if one.name == "cloudkon")
    del fleet
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_death_of_the_worker_in_memory_ends_the_waiting() -> None:
    class Dying:
        words = ("shout",)

        async def __call__(self, services: Services) -> None:
            await services.queues["worker"].receive(1, 20, 60)
            raise RuntimeError("no more")

    with Fleet.in_memory(Dying()) as fleet:
        run = fleet.submit(["shout a"])
        with pytest.raises(FleetClosed):
            run.wait(PATIENCE)


def test_unknown_run_is_refused(idle: Fleet) -> None:
    with pytest.raises(UnknownRun):
        idle.run("3a4f0c1b2c3")
    with pytest.raises(InvalidInput, match="none was pushed from here"):
        idle.run()
    with pytest.raises(InvalidWorkload):
        idle.submit([])
