"""``runs``, ``status`` and ``results`` on a fleet in memory."""

import csv
import io
import tracemalloc
from pathlib import Path

import pytest
import trio

from client.results.selection import Selection, selected
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_OK
from cloudkon.memory import memory_services
from cloudkon.model import Outgoing, Result, Run, TaskId, TaskState
from cloudkon.ports import Services
from tests.support.client_doubles import json_lines, record_results, succeeded
from tests.unit.client.commands import Client, push, read_run


def test_runs_are_listed_with_their_counts_the_latest_first(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (push(client, capsys, count, "--chunk", "2") for count in (4, 6, 8))
    run = read_run(services, first)
    trio.run(record_results, services, run, succeeded(run, range(run.chunk_count)))
    failing = read_run(services, second)
    failed = [Result(TaskId(second, seq), TaskState.FAILED, error="no") for seq in (0, 1)]
    trio.run(record_results, services, failing, failed)
    client("cancel", third)
    capsys.readouterr()
    assert client("runs") == EXIT_OK
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "age", "tasks", "ended", "failed", "state"]
    assert [line.split()[0] for line in lines] == [third, second, first]
    assert [line.split()[-4:] for line in lines] == [
        ["8", "0", "0", "cancelled"],
        ["6", "2", "2", "going"],
        ["4", "4", "0", "done"],
    ]
    assert max(len(line) for line in (head, *lines)) <= 60, "a run fits one line of a narrow terminal"
    assert client("runs", "--json", "--limit", "2") == EXIT_OK
    listed = json_lines(capsys.readouterr().out)
    assert [(one["run"], one["failed"], one["messages"]) for one in listed] == [(third, 0, 4), (second, 2, 3)]
    assert client("runs", "--limit", "0") == EXIT_BAD_INPUT


def test_runs_of_more_than_2048_messages_are_listed_as_about_done(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    for count, shown in ((2_048, ["2,048", "2,048", "0", "done"]), (3_000, ["3,000", "~3,000", "~0", "about", "done"])):
        run = read_run(services, push(client, capsys, count))
        trio.run(record_results, services, run, succeeded(run, range(count)))
        assert client("runs", "--limit", "1") == EXIT_OK
        assert capsys.readouterr().out.splitlines()[1].split()[-len(shown) :] == shown


def test_listing_no_runs_is_no_error(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("runs") == EXIT_OK
    assert "there are no runs" in capsys.readouterr().err


def test_status_shows_queues_and_runs(client: Client, services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = push(client, capsys, 30)
    trio.run(services.dead_letters["animoto"].send, [Outgoing("{}")])
    assert client("status") == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "fleet cloudkon, target local",
        "pool worker: 30 queued, 0 in flight",
        "pool animoto: 0 queued, 0 in flight, 1 dead letter: python -m client dlq list",
    ]
    assert lines[3].startswith(f"run {run_id}")
    assert client("status", "--json") == EXIT_OK
    [facts] = json_lines(capsys.readouterr().out)
    pools, runs = facts["pools"], facts["runs"]
    assert isinstance(pools, dict)
    assert isinstance(runs, list)
    assert pools["worker"] == {"queued": 30, "in_flight": 0, "queued_high": 0, "dead_letters": 0}
    assert runs[0]["run"] == run_id


@pytest.fixture
def mixed(client: Client, services: Services, capsys: pytest.CaptureFixture[str]) -> Run:
    """Tasks ``sleep 0`` … ``sleep 5`` took 0 … 5 s on workers a-0, b-1, a-2, …; task 4 failed, task 5 is cancelled."""
    Path("workload.txt").write_text("".join(f"sleep {number}\n" for number in range(6)))
    client("push")
    run = read_run(services, capsys.readouterr().out.strip())
    states = [TaskState.SUCCEEDED] * 4 + [TaskState.FAILED, TaskState.CANCELLED]
    trio.run(
        record_results,
        services,
        run,
        [
            Result(
                TaskId(run.id, seq),
                state,
                error='said "no", twice\nand left' if seq == 4 else "",
                seconds=float(seq),
                worker=f"{'ab'[seq % 2]}-{seq}",
            )
            for seq, state in enumerate(states)
        ],
    )
    return run


def test_results_of_an_unfinished_run_report_the_missing_tasks(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    run = read_run(services, push(client, capsys, 3))
    trio.run(record_results, services, run, succeeded(run, [0]))
    printed = []
    for options in ([], ["--failed"]):
        assert client("results", *options) == EXIT_OK
        printed.append(capsys.readouterr().err)
    assert printed == [f"not ended yet: 2 tasks of run {run.id}\n", ""], "a selection doesn't know how many are missing"


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--failed"], [4]),
        (["--state", "failed", "--state", "CANCELLED"], [4, 5]),
        (["--worker", "a-*"], [0, 2, 4]),
        (["--longer", "1", "--shorter", "3"], [1, 2, 3]),
        (["--instruction", "sleep [23]"], [2, 3]),
        (["--instruction", "sleep"], []),
        (["--state", "succeeded", "--worker", "b-*", "--longer", "2"], [3]),
    ],
)
def test_results_are_selected_by_options(
    client: Client, mixed: Run, capsys: pytest.CaptureFixture[str], options: list[str], numbers: list[int]
) -> None:
    assert client("results", mixed.id, "--json", *options) == EXIT_OK
    assert [one["task"] for one in json_lines(capsys.readouterr().out)] == [f"{mixed.id}/{seq}" for seq in numbers]


def test_results_as_csv_can_be_parsed(client: Client, mixed: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("results", "--csv") == EXIT_OK
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["task"] for row in rows] == [f"{mixed.id}/{seq}" for seq in range(6)]
    assert rows[4]["error"] == 'said "no", twice\nand left'
    assert client("results", "--csv", "--json") == EXIT_BAD_INPUT


def test_unknown_state_is_refused(client: Client, mixed: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("results", "--state", "lost") == EXIT_BAD_INPUT
    assert "'succeeded', 'failed', 'cancelled'" in capsys.readouterr().err


async def test_results_need_constant_memory() -> None:
    services = memory_services()
    run = Run.plan(run_id="r1", counts={"worker": 50_000}, chunk_size=50, digest="", started=0.0)
    done = succeeded(run, range(run.chunk_count), "x" * 100)
    await record_results(services, run, done)
    tracemalloc.start()
    count = 0
    async for _ in selected(services, run, Selection(worker="w*")):
        count += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 1_000_000
