"""Priorities on the command line: the queue of a run's messages when pushed, pushed again and redriven."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, NoFleet
from cloudkon.memory import MemoryQueue
from cloudkon.model import Depth, Outgoing, Priority, Result, TaskId, TaskState
from cloudkon.ports import Services
from tests.support.client_doubles import BreakingQueue, chunks_on, record_results
from tests.unit.client.commands import Client, push, read_run


class MissingQueue(MemoryQueue):
    """A queue that an older fleet does not have."""

    async def depth(self) -> Depth:
        raise NoFleet("fleet 'cloudkon'", "it has no such queue")


def on(services: Services, priority: Priority) -> int:
    return len(trio.run(chunks_on, services.queue("worker", priority)))


def test_high_priority_run_uses_the_high_queue_also_when_pushed_again(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    run = push(client, capsys, 20, "--priority", "high")
    assert read_run(services, run).priority is Priority.HIGH
    assert (on(services, Priority.HIGH), on(services, Priority.NORMAL)) == (20, 0)
    trio.run(services.high_queues["worker"].purge)
    assert client("push", "--run", run) == EXIT_OK
    assert (on(services, Priority.HIGH), on(services, Priority.NORMAL)) == (20, 0)
    assert client("push", "--run", run, "--priority", "normal") == EXIT_BAD_INPUT
    assert f"run {run} has priority high" in capsys.readouterr().err


def test_status_counts_high_and_normal_apart_and_purge_empties_both(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    push(client, capsys, 20, "--priority", "high")
    push(client, capsys, 30)
    capsys.readouterr()
    assert client("status") == EXIT_OK
    assert "pool worker: 50 queued (20 of high priority), 0 in flight" in capsys.readouterr().out
    assert client("status", "--json") == EXIT_OK
    worker = json.loads(capsys.readouterr().out)["pools"]["worker"]
    assert (worker["queued"], worker["queued_high"]) == (50, 20)
    assert client("purge", "--yes") == EXIT_OK
    assert trio.run(services.backlog, "worker").empty


@pytest.mark.parametrize("high_queues", [{}, {"worker": MissingQueue(), "animoto": MissingQueue()}])
def test_fleet_without_high_queues_refuses_high_before_a_run_exists(
    client: Client, services: Services, high_queues: dict[str, MemoryQueue], capsys: pytest.CaptureFixture[str]
) -> None:
    older = replace(services, high_queues=high_queues)
    client("generate", "3", "sleep", "1")
    capsys.readouterr()
    assert client("push", "--priority", "high", fleet=older) == EXIT_BAD_INPUT
    stderr = capsys.readouterr().err
    assert "has no queue for it" in stderr
    assert "python -m fleet up" in stderr
    assert client("runs", "--json", fleet=older) == EXIT_OK
    assert not capsys.readouterr().out, "no run was created"
    for command in ("push", "status", "runs"):
        assert client(command, fleet=older) == EXIT_OK
    assert client("purge", "--yes", fleet=older) == EXIT_OK


def test_unfinished_push_does_not_change_its_priority(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    breaking = replace(services, high_queues={"worker": BreakingQueue(1)})
    client("generate", "300", "sleep", "1")
    assert client("push", "--priority", "high", fleet=breaking) == EXIT_FAILED
    capsys.readouterr()
    assert client("push") == EXIT_BAD_INPUT
    assert "its priority is not this workload's" in capsys.readouterr().err
    assert client("push", "--priority", "high") == EXIT_OK
    assert "resumes" in capsys.readouterr().err


def test_dead_letter_returns_to_the_queue_it_came_from(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.dead_letters.dead_letters._WAIT_SECONDS", 0.0)
    for priority in Priority:
        push(client, capsys, 1, "--priority", str(priority))
        [body] = [one.body for one in trio.run(services.queue("worker", priority).receive, 10, 0, 1000)]
        trio.run(services.queue("worker", priority).purge)
        trio.run(services.dead_letters["worker"].send, [Outgoing(body)])
    assert client("dlq", "redrive") == EXIT_OK
    assert (on(services, Priority.HIGH), on(services, Priority.NORMAL)) == (1, 1)


def test_retry_keeps_its_parents_priority_and_can_be_pushed_again_without_a_file(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = push(client, capsys, 4, "--priority", "high")
    run = read_run(services, parent)
    ended = [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.FAILED, TaskState.SUCCEEDED]
    results = [Result(TaskId(parent, seq), state, error="no") for seq, state in enumerate(ended)]
    trio.run(record_results, services, run, results)
    trio.run(services.high_queues["worker"].purge)
    assert client("retry", parent) == EXIT_OK
    child = capsys.readouterr().out.strip()
    assert read_run(services, child).priority is Priority.HIGH
    trio.run(services.high_queues["worker"].purge)
    Path("workload.txt").unlink()
    assert client("push", "--run", child) == EXIT_OK
    assert on(services, Priority.HIGH) == 2


def test_run_of_two_pools_is_pushed_again_from_the_store(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["animoto s3://bucket/1.jpg", r"sleep 1", "animoto s3://bucket/2.jpg", "sleep {2..3}"]
    Path("w.txt").write_text("\n".join(lines) + "\n")
    assert client("push", "w.txt", "--chunk", "2") == EXIT_OK
    run = capsys.readouterr().out.strip()
    before = [trio.run(chunks_on, services.queues[pool]) for pool in ("worker", "animoto")]
    for pool in ("worker", "animoto"):
        trio.run(services.queues[pool].purge)
    assert client("push", "--run", run) == EXIT_OK
    assert [trio.run(chunks_on, services.queues[pool]) for pool in ("worker", "animoto")] == before
