import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client.push.batches import batches
from client.push.sending import Watermark, send_batches
from client.push.submit import PushBroke, Pushed, PushEvents, submit, submit_again
from client.records.pushes import Pushes
from cloudkon.errors import InvalidInput, RunConflict
from cloudkon.memory import MemoryQueue, MemoryStore, memory_services
from cloudkon.model import Outgoing, Run
from cloudkon.ports import QueueOutcome, Services
from cloudkon.settings import Settings
from cloudkon.wire.message import MESSAGE_LIMIT
from tests.support.client_doubles import BreakingQueue, DeadQueue, FlakyQueue, chunks_on, stage_text, with_queue

SETTINGS = Settings()
HUNDRED = "".join(f"sleep {number}\n" for number in range(100))


async def push_text(services: Services, pushes: Pushes, directory: Path, text: str, chunk: int = 1) -> Pushed:
    with stage_text(text, directory, chunk) as staged:
        return await submit(services, SETTINGS, staged, pushes)


async def test_each_instruction_arrives_once_in_its_pool_and_chunk(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    text = "sleep 1\nanimoto https://a.example/1.jpg\nsleep 2\nsleep 3\n"
    run = (await push_text(services, pushes, tmp_path, text, 2)).run
    one, two = await chunks_on(services.queues["worker"])
    assert [(str(task.id), task.instruction) for task in (*one.tasks(), *two.tasks())] == [
        (f"{run.id}/0", "sleep 1"),
        (f"{run.id}/1", "sleep 2"),
        (f"{run.id}/2", "sleep 3"),
    ]
    [video] = await chunks_on(services.queues["animoto"])
    assert (video.key.number, video.first) == (2, 3)


async def test_run_is_in_the_ledger_before_its_first_message(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    with pytest.raises(PushBroke):
        await push_text(with_queue(services, "worker", BreakingQueue(0)), pushes, tmp_path, HUNDRED)
    assert await services.ledger.read_run(pushes.last()) is not None


@pytest.mark.parametrize("chunk", [1, 7])
async def test_push_interrupted_at_any_batch_resumes(
    pushes: Pushes, tmp_path: Path, chunk: int, autojump_clock: trio.testing.MockClock
) -> None:
    for sent in range(-(-100 // chunk // 10)):
        queue = BreakingQueue(sent)
        services = with_queue(memory_services(), "worker", queue)
        with pytest.raises(PushBroke, match="push the same workload again to resume"):
            await push_text(services, pushes, tmp_path, HUNDRED, chunk)
        broken = pushes.last()
        queue.batches = 1000
        pushed = await push_text(services, pushes, tmp_path, HUNDRED, chunk)
        assert pushed.run.id == broken
        assert pushed.resumed
        chunks = await chunks_on(queue)
        assert {chunk.key.number for chunk in chunks} == set(range(pushed.run.chunk_count))
        once = {chunk.key.number: chunk.instructions for chunk in chunks}
        assert [line for number in sorted(once) for line in once[number]] == HUNDRED.splitlines()


async def test_pushing_a_pushed_file_again_creates_a_new_run(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    first = await push_text(services, pushes, tmp_path, HUNDRED)
    second = await push_text(services, pushes, tmp_path, HUNDRED)
    assert first.run.id != second.run.id
    assert pushes.last() == second.run.id
    assert not second.resumed


async def test_unfinished_push_is_not_resumed_by_another_file(pushes: Pushes, tmp_path: Path) -> None:
    services = with_queue(memory_services(), "worker", BreakingQueue(3))
    with pytest.raises(PushBroke):
        await push_text(services, pushes, tmp_path, HUNDRED)
    broken = pushes.last()
    services = with_queue(services, "worker", MemoryQueue())
    pushed = await push_text(services, pushes, tmp_path, HUNDRED + "sleep 100\n")
    assert pushed.run.id != broken


async def test_unfinished_push_to_a_deleted_fleet_starts_over(pushes: Pushes, tmp_path: Path) -> None:
    with pytest.raises(PushBroke):
        await push_text(with_queue(memory_services(), "worker", BreakingQueue(3)), pushes, tmp_path, HUNDRED)
    fresh = memory_services()
    pushed = await push_text(fresh, pushes, tmp_path, HUNDRED)
    assert not pushed.resumed
    assert len(await chunks_on(fresh.queues["worker"])) == 100


async def test_unfinished_push_of_a_cancelled_run_starts_a_new_run(pushes: Pushes, tmp_path: Path) -> None:
    services = with_queue(memory_services(), "worker", BreakingQueue(3))
    with pytest.raises(PushBroke):
        await push_text(services, pushes, tmp_path, HUNDRED)
    broken = pushes.last()
    await services.ledger.cancel_run(broken)
    queue = MemoryQueue()
    pushed = await push_text(with_queue(services, "worker", queue), pushes, tmp_path, HUNDRED)
    assert pushed.run.id != broken
    assert len(await chunks_on(queue)) == 100


async def test_unfinished_push_is_found_when_another_chunk_size_is_pushed(pushes: Pushes, tmp_path: Path) -> None:
    with pytest.raises(PushBroke):
        await push_text(with_queue(memory_services(), "worker", BreakingQueue(3)), pushes, tmp_path, HUNDRED)
    with stage_text(HUNDRED, tmp_path, 10) as staged:
        assert pushes.others(staged.digest, 10) == [pushes.last()]
        assert pushes.others(staged.digest, 1) == []


async def test_flaky_queue_loses_no_message(
    pushes: Pushes, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    queue = FlakyQueue()
    pushed = await push_text(with_queue(memory_services(), "worker", queue), pushes, tmp_path, HUNDRED * 10)
    assert {chunk.key.number for chunk in await chunks_on(queue)} == set(range(pushed.run.chunk_count))


async def test_unavailable_queue_ends_the_push_and_reports_how_many_are_sent(
    pushes: Pushes, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    services = with_queue(memory_services(), "worker", DeadQueue())
    with pytest.raises(PushBroke, match=r"connection refused.*\. 0 of 100 messages of run \w+ are known to be sent"):
        await push_text(services, pushes, tmp_path, HUNDRED)


async def test_interrupted_push_resumes_without_sending_twice(
    pushes: Pushes, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    class SlowQueue(MemoryQueue):
        async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
            await trio.sleep(1)
            return await super().send(messages)

    queue = SlowQueue()
    services = with_queue(memory_services(), "worker", queue)
    with trio.move_on_after(1.5) as interrupted:
        await push_text(services, pushes, tmp_path, HUNDRED * 5)
    assert interrupted.cancelled_caught
    pushed = await push_text(services, pushes, tmp_path, HUNDRED * 5)
    assert pushed.resumed
    assert len(await chunks_on(queue)) == 500, "messages known to be sent are not sent again"


async def test_existing_run_that_differs_is_refused_with_the_difference(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    run = (await push_text(services, pushes, tmp_path, HUNDRED)).run
    for text, chunk, fact in ((HUNDRED + "sleep 1\n", 1, "digest"), (HUNDRED, 2, "chunk size")):
        with stage_text(text, tmp_path, chunk) as staged, pytest.raises(RunConflict, match=f"its {fact} is not"):
            await submit_again(services, SETTINGS, run, staged, pushes)


async def test_pushing_a_run_again_sends_all_its_messages(services: Services, pushes: Pushes, tmp_path: Path) -> None:
    run = (await push_text(services, pushes, tmp_path, HUNDRED, 10)).run
    emptied = with_queue(services, "worker", MemoryQueue())
    with stage_text(HUNDRED, tmp_path, 10) as staged:
        assert (await submit_again(emptied, SETTINGS, run, staged, pushes)).run == run
    assert await chunks_on(emptied.queues["worker"]) == await chunks_on(services.queues["worker"])
    assert (await push_text(services, pushes, tmp_path, HUNDRED, 10)).run.id != run.id


async def test_run_lost_by_the_ledger_is_pushed_again_unchanged(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    run = (await push_text(services, pushes, tmp_path, HUNDRED, 10)).run
    new = memory_services()
    kept = pushes.runs.find(run.id)
    assert kept == run
    with stage_text(HUNDRED, tmp_path, 10) as staged:
        await submit_again(new, SETTINGS, kept, staged, pushes)
    assert await new.ledger.read_run(run.id) == run
    assert await chunks_on(new.queues["worker"]) == await chunks_on(services.queues["worker"])


def test_runs_are_kept_as_long_as_the_ledger_keeps_their_results(pushes: Pushes) -> None:
    old, new = (
        Run.plan(run_id=name, counts={"worker": 1}, chunk_size=1, digest="", started=1.0) for name in ("old", "new")
    )
    pushes.remember(old)
    [path] = pushes.runs.directory.iterdir()
    month_ago = path.stat().st_mtime - 29 * 86400
    os.utime(path, (month_ago, month_ago))
    pushes.remember(new)
    assert pushes.runs.find("old") is None
    assert pushes.runs.find("new") == new
    assert replace(pushes, fleet="other").runs.find("new") is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "5", '{"id": "torn', '{"id": "x", "ranges": [], "of_a_later_version": 1}']
)
def test_unreadable_kept_run_is_ignored(pushes: Pushes, text: str) -> None:
    pushes.remember(Run.plan(run_id="x", counts={"worker": 1}, chunk_size=1, digest="", started=1.0))
    [path] = pushes.runs.directory.iterdir()
    path.write_text(text)
    assert pushes.runs.find("x") is None


async def test_pushing_a_run_again_is_refused_while_another_run_of_the_workload_is_unfinished(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    run = (await push_text(services, pushes, tmp_path, HUNDRED)).run
    with pytest.raises(PushBroke):
        await push_text(with_queue(services, "worker", BreakingQueue(2)), pushes, tmp_path, HUNDRED)
    with stage_text(HUNDRED, tmp_path) as staged, pytest.raises(InvalidInput, match="is only partly pushed"):
        await submit_again(services, SETTINGS, run, staged, pushes)


async def test_second_process_pushing_the_same_workload_is_refused(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    with stage_text(HUNDRED, tmp_path) as staged, pushes.record(staged.digest, 1):
        with pytest.raises(InvalidInput, match="another process is pushing the same workload"):
            await submit(services, SETTINGS, staged, pushes)
        assert (await push_text(services, pushes, tmp_path, HUNDRED, 2)).run.chunk_size == 2


async def test_run_id_that_another_run_has_is_not_used(
    services: Services, pushes: Pushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = await services.ledger.create_run(
        Run.plan(run_id="taken", counts={"worker": 1}, chunk_size=1, digest="theirs", started=1.0)
    )
    ids = iter(["taken", "free"])
    monkeypatch.setattr("client.push.run_creation.new_run_id", lambda _now: next(ids))
    assert (await push_text(services, pushes, tmp_path, HUNDRED)).run.id == "free"
    assert await services.ledger.read_run("taken") == others


async def test_push_reports_each_message(services: Services, pushes: Pushes, tmp_path: Path) -> None:
    reports: list[int] = []
    with stage_text(HUNDRED, tmp_path) as staged:
        await submit(services, SETTINGS, staged, pushes, PushEvents(on_sent=reports.append))
    assert sum(reports) == 100


def test_batches_hold_ten_messages_and_no_more_bytes_than_a_call_takes(tmp_path: Path) -> None:
    long = "exec " + "x" * 262_000
    with stage_text("\n".join(["sleep 1"] * 25 + [long] * 9), tmp_path) as staged:
        found = list(batches(staged.plan("r", 0.0), staged))
    assert [number for batch in found for number in range(batch.first, batch.end)] == list(range(34))
    for batch in found:
        assert len(batch.messages) <= 10
        assert sum(len(message.body.encode()) for message in batch.messages) <= MESSAGE_LIMIT
    assert max(len(batch.messages) for batch in found) == 10


def test_watermark_counts_up_to_the_first_gap() -> None:
    watermark = Watermark(10)
    watermark.add(20, 30)
    watermark.add(40, 45)
    assert watermark.sent == 10
    watermark.add(10, 20)
    assert watermark.sent == 30
    watermark.add(30, 40)
    assert watermark.sent == 45


async def test_memory_does_not_grow_with_the_number_of_messages(tmp_path: Path) -> None:
    class Sink(MemoryQueue):
        taken = 0

        async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
            await trio.lowlevel.checkpoint()
            self.taken += len(messages)
            return [QueueOutcome.DONE] * len(messages)

    sink = Sink()
    with stage_text("sleep 1\n" * 50_000, tmp_path) as staged:
        run = staged.plan("r", 0.0)
        tracemalloc.start()
        try:
            found = batches(run, staged)
            await send_batches({"worker": sink}, MemoryStore(), found, Watermark(0), lambda _messages: None)
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
    assert sink.taken == 50_000


def test_push_record_torn_by_a_crash_is_read_up_to_the_tear(pushes: Pushes) -> None:
    with pushes.record("digest", 1) as record:
        record.begin("a-run")
        record.note(20)
    [path] = pushes.directory.iterdir()
    path.write_bytes(path.read_bytes() + b'{"sent": 3')
    with pushes.record("digest", 1) as record:
        assert (record.run_id, record.sent) == ("a-run", 20)
        record.note(40)
    with pushes.record("digest", 1) as record:
        assert record.sent == 40


def test_fleets_do_not_share_their_last_run(pushes: Pushes) -> None:
    pushes.remember(Run.plan(run_id="one", counts={"worker": 1}, chunk_size=1, digest="", started=1.0))
    with pytest.raises(InvalidInput, match="none was pushed from here to fleet 'other'"):
        replace(pushes, fleet="other").last()
    assert pushes.last() == "one"
