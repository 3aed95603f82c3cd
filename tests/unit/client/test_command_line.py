"""Tests of the commands in this process, on a fleet in memory."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client.cli.main import main
from client.cli.session import Session
from client.push.capacity_check import FAST_MESSAGES
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK
from cloudkon.memory import MemoryQueue, memory_services
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.ports import Services
from cloudkon.settings import Settings
from tests.support.client_doubles import (
    BreakingQueue,
    RecreatedLedger,
    chunks_on,
    json_lines,
    record_results,
    succeeded,
    with_queue,
)
from tests.unit.client.commands import Client, push, read_run


def test_push_prints_only_the_run_id_on_standard_output(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = push(client, capsys, 20, "--chunk", "8")
    assert read_run(services, run_id).count == 20
    assert [len(chunk) for chunk in trio.run(chunks_on, services.queues["worker"])] == [8, 8, 4]


def test_push_prints_json(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    [facts] = json_lines(push(client, capsys, 20, "--json"))
    assert {"tasks": 20, "messages": 20, "pools": {"worker": 20}, "resumed": False}.items() <= facts.items()


def test_unfinished_push_resumes_with_the_same_command(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = BreakingQueue(1)
    fleet = with_queue(services, "worker", queue)
    client("generate", "25", "sleep", "10")
    assert client("push", fleet=fleet) == EXIT_FAILED
    assert "of 25 messages of run" in capsys.readouterr().err
    queue.batches = 100
    assert client("push", fleet=fleet) == EXIT_OK
    written = capsys.readouterr()
    assert re.search(rf"run {written.out.strip()} resumes: \d+ of 25 messages were sent before", written.err)
    assert {chunk.key.number for chunk in trio.run(chunks_on, queue)} == set(range(25))


def test_push_with_another_chunk_size_warns_of_the_unfinished_one(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    client("generate", "25", "sleep", "10")
    client("push", fleet=with_queue(services, "worker", BreakingQueue(1)))
    capsys.readouterr()
    assert client("push", "--chunk", "5") == EXIT_OK
    assert "a push of this workload with another --chunk, is unfinished" in capsys.readouterr().err


def test_push_run_sends_its_messages_again_in_its_own_chunks(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = push(client, capsys, 20, "--chunk", "8")
    emptied = with_queue(services, "worker", MemoryQueue())
    assert client("push", "--run", run_id, "--chunk", "9", fleet=emptied) == EXIT_BAD_INPUT
    assert client("push", "--run", run_id, fleet=emptied) == EXIT_OK
    assert len(trio.run(chunks_on, emptied.queues["worker"])) == 3
    client("generate", "21", "sleep", "10")
    capsys.readouterr()
    assert client("push", "workload.txt", "--run", run_id, fleet=emptied) == EXIT_BAD_INPUT
    assert f"run '{run_id}': its digest is not this workload's" in capsys.readouterr().err


def test_run_lost_by_the_ledger_is_named_with_the_remedy_and_run_again(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = push(client, capsys, 20, "--chunk", "8")
    new = memory_services()
    assert client("check", run_id, fleet=new) == EXIT_BAD_INPUT
    assert f"Run it again with: python -m client push --run {run_id} WORKLOAD" in capsys.readouterr().err
    assert client("push", "--run", run_id, fleet=new) == EXIT_OK
    assert "All its tasks are sent again and run again" in capsys.readouterr().err
    assert len(trio.run(chunks_on, new.queues["worker"])) == 3
    assert client("check", run_id, fleet=new) == EXIT_FAILED, "no task has ended yet"


def test_waiting_reports_results_lost_with_the_ledger(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    remade = replace(services, ledger=RecreatedLedger())
    client("generate", "3", "sleep", "10")
    assert client("push", fleet=remade) == EXIT_OK
    run = read_run(remade, capsys.readouterr().out.split()[-1])
    trio.run(record_results, remade, run, succeeded(run, [0, 1, 2]))
    assert client("check", "--wait", fleet=remade) == EXIT_OK
    stderr = capsys.readouterr().err
    assert (
        stderr.count(f"the ledger has lost results. Run the tasks again with: python -m client push --run {run.id}")
        == 1
    )


def test_push_warns_when_the_embedded_emulators_queues_get_too_long(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    client("generate", str(FAST_MESSAGES + 1), "sleep", "10")
    assert client("push") == EXIT_OK
    assert "slow the embedded emulator down" in capsys.readouterr().err
    assert client("push", "--chunk", "100") == EXIT_OK
    assert "slow the embedded emulator down" in capsys.readouterr().err, "the earlier messages are still queued"
    elsewhere = Session(Settings(endpoint_url="http://other.example"), lambda _settings: services)
    assert main(["push"], elsewhere) == EXIT_OK
    assert "emulator" not in capsys.readouterr().err


def test_check_exits_0_only_if_all_tasks_succeeded(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(services, push(client, capsys, 3))
    trio.run(record_results, services, run, succeeded(run, [0, 1]))
    assert client("check") == EXIT_FAILED
    assert "waiting" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "40")
    client("check")
    assert re.search(r"waiting\s+│\s+1 ", capsys.readouterr().out), "a column if there is no room for a row"
    monkeypatch.setenv("COLUMNS", "120")
    trio.run(record_results, services, run, succeeded(run, [2]))
    assert client("check", "--wait", "--json") == EXIT_OK
    [counts] = json_lines(capsys.readouterr().out)
    expected = {"tasks": 3, "succeeded": 3, "failed": 0, "complete": True, "seconds": 3.0, "tasks_per_second": 1.0}
    assert expected.items() <= counts.items()
    assert client("check", run.id) == EXIT_OK
    table = capsys.readouterr().out
    assert all(word in table for word in (run.id, "tasks", "succeeded", "failed", "cancelled", "seconds", "tasks/s"))


def test_failed_tasks_are_reported_and_listed(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    run = read_run(services, push(client, capsys, 3))
    failed = Result(TaskId(run.id, 1), TaskState.FAILED, error="no such file")
    trio.run(record_results, services, run, [*succeeded(run, [0, 2], "fine"), failed])
    assert client("check") == EXIT_FAILED
    assert f"failures {run.id}" in capsys.readouterr().err
    assert client("results", "--failed") == EXIT_OK
    assert capsys.readouterr().out.split() == [f"{run.id}/1", "FAILED", "0.000", "s", "no", "such", "file"]
    assert client("results", run.id, "--json") == EXIT_OK
    listed = json_lines(capsys.readouterr().out)
    assert [(one["task"], one["output"], one["error"]) for one in listed] == [
        (f"{run.id}/0", "fine", ""),
        (f"{run.id}/1", "", "no such file"),
        (f"{run.id}/2", "fine", ""),
    ]


def test_cancel_sets_the_runs_flag(client: Client, services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = push(client, capsys)
    assert client("cancel") == EXIT_OK
    assert read_run(services, run_id).cancelled


def test_pull_fetches_videos_and_names_missing_ones(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = read_run(services, push(client, capsys, 3))
    stored = trio.run(services.store.put, f"videos/{run.id}/0.t.mp4", b"video", "video/mp4", {})
    trio.run(record_results, services, run, succeeded(run, [0], stored.address))
    assert client("pull") == EXIT_OK
    assert (tmp_path / "videos/0.mp4").read_bytes() == b"video"
    assert f"not ended yet: 2 tasks of run {run.id}" in capsys.readouterr().err
    trio.run(record_results, services, run, succeeded(run, [1], "s3://memory/gone.mp4"))
    assert client("pull", run.id, "elsewhere") == EXIT_FAILED
    assert f"error: task {run.id}/1: s3://memory/gone.mp4" in capsys.readouterr().err
    assert (tmp_path / "elsewhere/0.mp4").exists()


@pytest.mark.parametrize("command", ["check", "results", "pull", "cancel"])
def test_default_run_is_the_last_one_pushed_if_any(
    client: Client, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert client(command) == EXIT_BAD_INPUT
    assert "none was pushed from here to fleet 'cloudkon'" in capsys.readouterr().err
    for unknown in ("3a4f0c1b2c3", "../../etc", "videos"):
        assert client(command, unknown) == EXIT_BAD_INPUT
        assert "has no such run" in capsys.readouterr().err


def test_slideshows_are_made_of_uploaded_pictures(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(4):
        (tmp_path / f"photos/{number}.jpg").write_bytes(b"picture %d" % number)
    given = ("animoto", "3", "--pictures", "4", "--from", "photos", "https://a.example/5.jpg", "--", "--seconds", "2")
    assert client(*given) == EXIT_OK
    lines = Path("workload.txt").read_text().splitlines()
    assert len(set(lines)) == 3
    assert all(line.startswith("animoto --seconds 2 ") for line in lines)
    assert lines[0].count("s3://memory/pictures/") == 4
    assert client("push") == EXIT_OK
    assert len(trio.run(chunks_on, services.queues["animoto"])) == 3


def test_slideshow_options_are_checked_before_anything_is_uploaded(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "1.jpg").write_bytes(b"picture")
    assert client("animoto", "1", "--from", "1.jpg", "--", "--seconds", "-2") == EXIT_BAD_INPUT

    async def stored() -> list[str]:
        return [one.address async for one in services.store.list("")]

    assert trio.run(stored) == []
    assert client("animoto", "1") == EXIT_BAD_INPUT
    assert client("animoto", "1", "photos") == EXIT_BAD_INPUT
    assert "Give sources after --from" in capsys.readouterr().err


def test_generate_writes_to_standard_output_on_request(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("generate", "2", "-o", "-", "--", "exec", "sort", "-o", "x") == EXIT_OK
    assert capsys.readouterr().out == "exec sort -o x\nexec sort -o x\n"
    assert not Path("workload.txt").exists()


def test_missing_output_folder_is_one_line(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("generate", "2", "sleep", "1", "-o", "nowhere/workload.txt") == EXIT_BAD_INPUT
    [line] = capsys.readouterr().err.splitlines()
    assert line == "error: --output nowhere/workload.txt: folder nowhere does not exist. Create it first"


def test_json_of_an_unfinished_run_has_no_rate(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    push(client, capsys, 2)
    client("check", "--json")
    counts = json.loads(capsys.readouterr().out)
    assert (counts["waiting"], counts["tasks_per_second"], counts["complete"]) == (2, None, False)
