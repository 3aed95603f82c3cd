"""``failures`` and ``retry`` on a fleet in memory."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client.results.failures import MOST_KINDS, OTHER, Failures, kind_of
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, AccessDenied
from cloudkon.memory import MemoryStore
from cloudkon.model import Result, Run, TaskId, TaskState
from cloudkon.ports import Services, StoredObject
from tests.support.client_doubles import BreakingQueue, chunks_on, json_lines, record_results, succeeded, with_queue
from tests.unit.client.commands import Client, read_run

WORKLOAD = "animoto https://a.example/1.jpg\n" + "".join(f"sleep {number}\n" for number in range(20))


def failed(run: Run, seq: int, error: str) -> Result:
    return Result(TaskId(run.id, seq), TaskState.FAILED, error=error, attempts=3, worker="w-1")


@pytest.fixture
def run(client: Client, services: Services, capsys: pytest.CaptureFixture[str]) -> Run:
    """Task 0 is a slideshow, task N sleeps N - 1; 3, 5 and 7 failed, 7 by a lost worker, the others succeeded."""
    Path("workload.txt").write_text(WORKLOAD)
    assert client("push", "--chunk", "4") == EXIT_OK
    run = read_run(services, capsys.readouterr().out.strip())
    results = [one for one in succeeded(run, range(run.chunk_count)) if one.task.seq not in (3, 5, 7)]
    errors = {3: "no file /tmp/x3", 5: "no file /tmp/x5", 7: "worker lost 3 times while it ran"}
    results += [failed(run, seq, error) for seq, error in errors.items()]
    trio.run(record_results, services, run, results)
    return run


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timed out after 3.5 s", "timed out after 1,000 s"),
        ("s3://a/b.jpg: 404", "https://c.example/d: 404"),
        ("no file '/tmp/a b'", "no file '/var/c b'"),
        ("job 3f2504e0-4f89-11d3 is gone", "job 9b1deb4d-3b7d-4bad is gone"),
        ("line one\n  line two", "line one line two"),
    ],
)
def test_errors_that_differ_in_details_are_of_one_kind(one: str, other: str) -> None:
    assert kind_of(one) == kind_of(other)


def test_errors_that_differ_in_words_are_of_different_kinds() -> None:
    assert kind_of("no such file") != kind_of("no such folder")
    assert kind_of("") == "no reason was given"


def test_endless_kinds_take_bounded_memory() -> None:
    failures = Failures()
    words = [f"{one}{two}{three}" for one in "ghijklmnop" for two in "qrstuvwxyz" for three in "ghijklmnopqrs"]
    for seq, word in enumerate(words):
        failures.add(Result(TaskId("r", seq), TaskState.FAILED, error=word))
    kinds = failures.kinds()
    assert len(kinds) == MOST_KINDS + 1
    assert (kinds[0].pattern, kinds[0].count) == (OTHER, len(words) - MOST_KINDS)


def test_failures_are_counted_by_error_with_an_example(
    client: Client, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("failures") == EXIT_FAILED
    written = capsys.readouterr()
    assert written.out.splitlines() == [
        "2 tasks: no file <path>",
        f"  task {run.id}/3, attempt 3, worker w-1",
        "  no file /tmp/x3",
        "  sleep 2",
        "1 task: worker lost N times while it ran",
        f"  task {run.id}/7, attempt 3, worker w-1",
        "  worker lost 3 times while it ran",
        "  sleep 6",
    ]
    assert f"3 tasks failed. Run them again with: python -m client retry {run.id}" in written.err
    assert client("failures", run.id, "--json") == EXIT_FAILED
    first, _ = json_lines(capsys.readouterr().out)
    assert (first["count"], first["task"], first["instruction"]) == (2, f"{run.id}/3", "sleep 2")


def test_run_without_failures_is_reported_as_such(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("workload.txt").write_text("sleep 1\n")
    client("push")
    capsys.readouterr()
    assert client("failures") == EXIT_OK
    printed = capsys.readouterr().err
    assert re.fullmatch(r"not ended yet: 1 task of run \w+\nno task of run \w+ failed so far\n", printed)
    run = read_run(services, printed.split()[7])
    trio.run(record_results, services, run, succeeded(run, [0]))
    assert client("failures") == EXIT_OK
    assert re.fullmatch(r"no task of run \w+ failed\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("option", "instructions"),
    [("--failed", ["sleep 2", "sleep 4", "sleep 6"]), ("--lost", ["sleep 6"]), ("", ["sleep 2", "sleep 4", "sleep 6"])],
)
def test_retry_pushes_failed_tasks_as_a_child_run(
    client: Client,
    services: Services,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    option: str,
    instructions: list[str],
) -> None:
    trio.run(services.queues["worker"].purge)
    before = trio.run(_recorded, services, run)
    assert client("retry", run.id, *([option] if option else [])) == EXIT_OK
    child = read_run(services, capsys.readouterr().out.strip())
    assert (child.parent, child.count, child.chunk_size) == (run.id, len(instructions), 4)
    sent = [task.instruction for chunk in trio.run(chunks_on, services.queues["worker"]) for task in chunk.tasks()]
    assert sent == instructions
    assert trio.run(_recorded, services, run) == before, "recorded results never change"
    assert client("check", "--json") == EXIT_FAILED
    assert json.loads(capsys.readouterr().out)["run"] == child.id, "the retry is now the run pushed last"


async def _recorded(services: Services, run: Run) -> list[object]:
    return [record async for record in services.ledger.records(run)]


def test_broken_off_retry_continues(
    client: Client, services: Services, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = BreakingQueue(0)
    broken = with_queue(services, "worker", queue)
    assert client("retry", run.id, fleet=broken) == EXIT_FAILED
    queue.batches = 5
    capsys.readouterr()
    assert client("retry", run.id, fleet=broken) == EXIT_OK
    assert "resumes: 0 of 1 messages were sent before" in capsys.readouterr().err
    assert client("retry", run.id) == EXIT_OK
    assert "resumes" not in capsys.readouterr().err, "another retry is another run"


def test_impossible_retry_is_refused(
    client: Client, services: Services, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("retry", run.id, "--failed", "--lost") == EXIT_BAD_INPUT
    assert client("retry", run.id, "--chunk", "0") == EXIT_BAD_INPUT
    capsys.readouterr()
    assert client("retry", run.id, fleet=replace(services, store=MemoryStore())) == EXIT_BAD_INPUT
    assert "its instructions are not in the store" in capsys.readouterr().err
    Path("workload.txt").write_text("sleep 1\n")
    client("push")
    capsys.readouterr()
    assert client("retry") == EXIT_BAD_INPUT
    assert "it has no task to retry" in capsys.readouterr().err


class LockedStore(MemoryStore):
    async def head(self, address: str) -> StoredObject:
        raise AccessDenied(f"no access to {address}")


def test_push_succeeds_although_the_store_keeps_nothing(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("workload.txt").write_text("sleep 1\n")
    assert client("push", fleet=replace(services, store=LockedStore())) == EXIT_OK
    assert "warning: the run's instructions are not kept, so it can't be retried" in capsys.readouterr().err
    assert len(trio.run(chunks_on, services.queues["worker"])) == 1
