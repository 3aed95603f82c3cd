"""Tests of the commands about runs and dead letters, as processes on the emulator; the test acts as the worker."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest
import trio

from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Outgoing, Progress, Result, TaskState
from cloudkon.ports import Insert
from cloudkon.wire.message import encode_message
from tests.integration.client.client_process import DEADLINE, Client, complete_chunks, receive_all


@pytest.mark.long
def test_failures_are_found_and_retried(client: Client) -> None:
    """From a run with planted failures to its retry, with commands only."""
    (client.folder / "workload.txt").write_text("sleep {1..40}\n")
    run_id = client.run("push", "--chunk", "4").strip()
    chunks = trio.run(receive_all, client.services.queues["worker"])

    async def work() -> None:
        await complete_chunks(client.services.ledger, chunks[:-1])
        failed = tuple(
            Result(task.id, TaskState.FAILED, error=f"no file {task.id.seq}", attempts=3, worker="w-1")
            for task in chunks[-1].tasks()
        )
        done = ChunkRecord(chunks[-1].key, ChunkState.DONE, "owner", 1, 0, 4, Progress(results=failed), int(2e9))
        await client.services.ledger.write([Insert(done)])

    trio.run(work)
    [kind] = [json.loads(line) for line in client.run("failures", "--json", code=1).splitlines()]
    assert (kind["count"], kind["error"], kind["instruction"]) == (4, "no file 36", "sleep 37")
    child_id = client.run("retry").strip()
    [child] = trio.run(receive_all, client.services.queues["worker"])
    assert [task.instruction for task in child.tasks()] == [f"sleep {number}" for number in (37, 38, 39, 40)]
    listed = [json.loads(line) for line in client.run("runs", "--json").splitlines()]
    assert [(one["run"], one["parent"], one["failed"]) for one in listed] == [(child_id, run_id, 0), (run_id, None, 4)]
    rows = client.run("results", run_id, "--csv", "--state", "failed").splitlines()
    assert len(rows) == 1 + 4
    matched = client.run("results", run_id, "--json", "--instruction", "sleep 3?").splitlines()
    assert len(matched) == 10


def test_watch_reports_the_end_in_lines_and_in_json(client: Client) -> None:
    client.write_workload(30)
    client.run("push")
    chunks = trio.run(receive_all, client.services.queues["worker"])
    trio.run(complete_chunks, client.services.ledger, chunks[:10])
    with client.start("watch", "--every", "1", "--json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert (first["succeeded"], first["waiting"], first["exact"]) == (10, 20, True)
        trio.run(complete_chunks, client.services.ledger, chunks[10:])
        rest, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    *_, last, summary = [json.loads(line) for line in rest.splitlines()]
    assert (last["complete"], last["succeeded"]) == (True, 30)
    assert summary["seconds"] == 30.0
    lines = client.run("watch")
    assert "30 of 30 (100.0 %)" in lines.splitlines()[0]


def test_watch_ends_silently_when_its_reader_exits(client: Client) -> None:
    client.write_workload(3)
    client.run("push")
    with client.start("watch", "--every", "1") as process:
        assert process.stdout is not None
        assert "0 of 3 (0.0 %)" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(DEADLINE) == 1


@pytest.mark.long
def test_dead_letters_are_reconciled_with_the_ledger(client: Client) -> None:
    async def fill() -> None:
        queue = client.services.dead_letters["worker"]
        for number in range(3):
            chunk = Chunk(ChunkKey("run-x", number, 1), number, ("resize 1",))
            await queue.send([Outgoing(encode_message(chunk), {"reason": "no handler takes 'resize'"})])
        await queue.send([Outgoing("not json")])
        done = ChunkRecord(ChunkKey("run-x", 1, 1), ChunkState.DONE, "owner", 1, 0, expires=int(2e9))
        await client.services.ledger.write([Insert(done)])

    trio.run(fill)
    listed = [json.loads(line) for line in client.run("dlq", "list", "--json").splitlines()]
    assert sorted((one["state"], one["chunk"]) for one in listed if one["run"]) == [
        ("done", 1),
        ("open", 0),
        ("open", 2),
    ]
    assert {one["reason"] for one in listed if one["run"]} == {"no handler takes 'resize'"}
    cleared = json.loads(client.run("dlq", "redrive", "--json"))
    assert cleared == {"redriven": 2, "dropped": 1, "unreadable": 1, "returned": 0}
    assert [chunk.key.number for chunk in trio.run(receive_all, client.services.queues["worker"])] == [0, 2]
    client.run("dlq", "drop", "--all", "--yes")
    assert client.run("dlq", "list") == ""


def test_purge_empties_the_queues(client: Client) -> None:
    client.write_workload(30)
    client.run("push")
    client.run("purge", "--yes")
    assert trio.run(client.services.queues["worker"].depth).empty


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "3a4f0c1b2c3"),
        ("failures", "3a4f0c1b2c3"),
        ("retry", "3a4f0c1b2c3"),
        ("results", "3a4f0c1b2c3"),
        ("dlq", "show", "3a4f0c1b2c3"),
    ],
)
def test_unknown_runs_and_letters_are_one_line(client: Client, arguments: tuple[str, ...]) -> None:
    [line] = client.run(*arguments, code=2).splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("command", ["watch", "failures", "retry", "runs", "status", "dlq list", "purge --yes"])
def test_missing_fleet_is_one_line_for_each_command(client: Client, command: str) -> None:
    missing = Client(client.folder, replace(client.settings, fleet=f"nobody-{uuid4().hex[:8]}"))
    ended = missing.start(*command.split())
    stdout, stderr = ended.communicate(timeout=DEADLINE)
    assert (ended.returncode, stdout) == (2, "")
    [line] = stderr.splitlines()
    assert line.startswith("error: ")


def test_output_fits_sixty_columns_without_colours(client: Client) -> None:
    client.write_workload(30)
    client.run("push")
    environment = {"COLUMNS": "60", "NO_COLOR": "1", "TERM": "dumb"}
    for command in ("status", "runs", "check"):
        ended = client.start(command, environment=environment)
        stdout, stderr = ended.communicate(timeout=DEADLINE)
        assert max(map(len, (stdout + stderr).splitlines())) <= 80
        assert "\x1b" not in stdout + stderr
