"""``python -m images.worker`` on the emulator: workers in parallel, killed, stopped, and cut off from AWS."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import trio

from cloudkon.model import Run
from cloudkon.settings import Settings
from tests.integration.worker.programs import Programs, lines_in
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.patience import until


def assert_recorded_and_published_once(fleet: EmulatedFleet, run: Run) -> None:
    """Check that each task has one recorded result, and that every published result equals it."""
    results = fleet.results(run)
    assert sorted(results) == list(range(run.count))
    published = fleet.published(run)
    assert {result.task.seq for result in published} == set(results)
    assert all(result == results[result.task.seq] for result in published)
    assert fleet.depth().empty


def test_two_workers_and_duplicate_deliveries_run_every_task_once(
    fleet: EmulatedFleet, start: Programs, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    run = fleet.push(*[f"exec echo $CLOUDKON_TASK >> {notes}"] * 60, chunk=3, copies=2)
    both = [start.start("--until-empty", "--slots", "2", allow_exec=True) for _ in range(2)]
    assert [program.wait() for program in both] == [0, 0]
    assert sorted(lines_in(notes)) == sorted(f"{run.id}/{seq}" for seq in range(60))
    assert fleet.states(run) == {"SUCCEEDED": 60}
    assert_recorded_and_published_once(fleet, run)


def test_killed_workers_task_is_run_by_another(fleet: EmulatedFleet, start: Programs, tmp_path: Path) -> None:
    notes, end = tmp_path / "notes", tmp_path / "end"
    run = fleet.push(f"exec echo $$ >> {notes}; while [ ! -e {end} ]; do sleep 0.1; done")
    victim = start.start(allow_exec=True)
    until(lambda: lines_in(notes))
    other = start.start(allow_exec=True, poll_seconds=1)
    until(lambda: other.logged("started"))
    victim.signal(signal.SIGKILL)
    until(lambda: len(lines_in(notes)) == 2, "another start")
    first = int(lines_in(notes)[0])
    until(lambda: not Path(f"/proc/{first}").exists(), "the end of the killed worker's command")
    end.touch()
    until(lambda: fleet.finished(run))
    assert_recorded_and_published_once(fleet, run)
    assert fleet.results(run)[0].attempts == 1
    assert [line["losses"] for line in other.logged("worker-lost")] == [1]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_command_that_kills_its_worker_fails_alone(fleet: EmulatedFleet, start: Programs) -> None:
    # The command's parent is its guard; the worker is the parent of the guard's parent.
    up = "p=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$p/status)"
    run = fleet.push(f"exec sleep 1; p=$PPID; {up}; {up}; kill -9 $p", *["exec sleep 2; echo innocent"] * 3)
    codes: list[int] = []
    while len(codes) < 10 and 0 not in codes:
        codes.append(start.start("--until-empty", "--slots", "4", allow_exec=True).wait())
    results = fleet.results(run)
    assert results[0].error == "worker lost 3 times while it ran"
    assert [results[seq].output for seq in (1, 2, 3)] == ["innocent"] * 3
    assert codes == [-signal.SIGKILL] * 5 + [0]
    assert_recorded_and_published_once(fleet, run)


@pytest.mark.long
def test_sigterm_lets_a_running_task_end(fleet: EmulatedFleet, start: Programs, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    run = fleet.push(f"exec echo here >> {notes}; sleep 2.5", "sleep 60000")
    worker = start.start(allow_exec=True)
    until(lambda: lines_in(notes))
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert list(fleet.results(run)) == [0]
    until(lambda: fleet.depth().visible == 1, "the other task's message")
    fleet.cancel(run)
    assert start.start("--until-empty").wait() == 0
    assert fleet.states(run) == {"SUCCEEDED": 1, "CANCELLED": 1}
    assert_recorded_and_published_once(fleet, run)


@pytest.mark.long
def test_sigterm_kills_and_releases_a_task_that_takes_too_long(
    fleet: EmulatedFleet, start: Programs, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    run = fleet.push(f"exec echo $$ >> {notes}; test $(wc -l < {notes}) -gt 1 || sleep 1000")
    worker = start.start(allow_exec=True, stop_seconds=3)
    until(lambda: lines_in(notes))
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert not Path(f"/proc/{lines_in(notes)[0]}").exists()
    (record,) = fleet.records(run)
    assert record.released
    assert record.progress.losses == 0
    assert [line["chunk"] for line in worker.logged("released")] == [f"{run.id}#0"]
    assert start.start("--until-empty", allow_exec=True).wait() == 0
    assert fleet.results(run)[0].attempts == 1
    assert_recorded_and_published_once(fleet, run)


@pytest.mark.long
def test_task_met_by_one_announced_stop_after_the_other_loses_no_attempt(
    fleet: EmulatedFleet, start: Programs, tmp_path: Path
) -> None:
    """As before the interruption of a Spot instance: SIGTERM, and SIGINT since the stop timeout is longer."""
    settings = {"max_attempts": 1, "poll_seconds": 1}
    notes, end = tmp_path / "notes", tmp_path / "end"
    run = fleet.push(f"exec echo $CLOUDKON_ATTEMPT >> {notes}; while [ ! -e {end} ]; do sleep 0.1; done")
    for number in range(2):
        worker = start.start(allow_exec=True, stop_seconds=110, **settings)
        until(partial(_has_lines, notes, number + 1))
        worker.signal(signal.SIGTERM)
        until(partial(worker.logged, "draining"))
        worker.signal(signal.SIGINT)
        assert worker.wait() == 0
        (record,) = fleet.records(run)
        assert record.released
        assert record.progress.losses == 0
    end.touch()
    assert start.start("--until-empty", allow_exec=True, **settings).wait() == 0
    assert fleet.states(run) == {"SUCCEEDED": 1}
    assert fleet.results(run)[0].attempts == 1
    assert set(lines_in(notes)) == {"1"}
    assert_recorded_and_published_once(fleet, run)


@pytest.mark.long
def test_services_frozen_for_longer_than_a_lease_lose_no_task(
    fleet: EmulatedFleet, settings: Settings, start: Programs
) -> None:
    run = fleet.push(*["sleep 300"] * 40)
    workers = [start.start() for _ in range(2)]
    until(lambda: len(fleet.results(run)) > 4)
    emulator = process_on(settings.endpoint_url)
    os.kill(emulator, signal.SIGSTOP)
    try:
        time.sleep(2 * settings.lease_seconds)
    finally:
        os.kill(emulator, signal.SIGCONT)
    until(lambda: fleet.finished(run))
    assert fleet.states(run) == {"SUCCEEDED": 40}
    assert_recorded_and_published_once(fleet, run)
    for worker in workers:
        assert worker.process.poll() is None
        worker.signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]


def _has_lines(path: Path, count: int) -> bool:
    return len(lines_in(path)) == count


def process_on(endpoint: str) -> int:
    """Return the process id of the emulator: our child that was started with that port."""
    port = endpoint.rpartition(":")[2]
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parent = directory.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            environment = directory.joinpath("environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(parent) == os.getpid() and f"GATEWAY_PORT={port}".encode() in environment:
            return int(directory.name)
    raise AssertionError(f"no child process serves {endpoint}")


def test_exec_is_off_unless_the_pool_allows_it(fleet: EmulatedFleet, start: Programs) -> None:
    run = fleet.push("exec echo hello")
    assert start.start("--until-empty").wait() == 0
    assert "CLOUDKON_ALLOW_EXEC=yes" in fleet.results(run)[0].error
    again = fleet.push("exec echo hello", "exec echo wrong >&2; exit 4")
    assert start.start("--until-empty", allow_exec=True).wait() == 0
    results = fleet.results(again)
    assert (results[0].output, results[1].error) == ("hello", "exit code 4: wrong")


def test_foreign_message_ends_in_the_dead_letter_queue(fleet: EmulatedFleet, start: Programs) -> None:
    older = json.dumps({"v": 0, "run": "later", "chunk": 0, "shards": 1, "first": 0, "tasks": ["sleep 1"]})
    fleet.send("do something", older)
    run = fleet.push("sleep 1", "sleep 1")
    worker = start.start("--until-empty")
    assert worker.wait() == 0
    assert fleet.states(run) == {"SUCCEEDED": 2}
    assert sorted(fleet.rejected()) == sorted(["do something", older])
    reasons = [line["error"] for line in worker.logged("message-rejected")]
    assert any("not JSON" in reason for reason in reasons)
    assert any("version 0; this program reads versions 1 and 2" in reason for reason in reasons)


def test_every_log_line_is_json_and_names_its_task(fleet: EmulatedFleet, start: Programs) -> None:
    run = fleet.push("exec false", "sleep 1", "sleep never")
    worker = start.start("--until-empty", allow_exec=True, max_attempts=2, log_level="debug")
    assert worker.wait() == 0
    for line in worker.lines:
        assert {"time", "level", "action", "worker", "pool"} <= line.keys()
    (retried,) = worker.logged("attempt-failed")
    assert (retried["run"], retried["task"], retried["attempt"]) == (run.id, f"{run.id}/0", 1)
    assert {(line["task"], line["attempt"]) for line in worker.logged("task-failed")} == {
        (f"{run.id}/0", 2),
        (f"{run.id}/2", 1),
    }
    assert [line["task"] for line in worker.logged("task-succeeded")] == [f"{run.id}/1"]
    assert [worker.lines[0]["action"], worker.lines[-1]["action"]] == ["started", "ended"]


def test_long_output_is_in_the_store(fleet: EmulatedFleet, start: Programs, tmp_path: Path) -> None:
    run = fleet.push(*["exec head -c 3000 /dev/urandom | base64 -w 0"] * 25, chunk=25)
    assert start.start("--until-empty", allow_exec=True).wait() == 0
    outputs = [result.output for result in fleet.results(run).values()]
    moved = [output for output in outputs if output.startswith("s3://")]
    assert 0 < len(moved) < 25
    assert sum(map(len, outputs)) <= 65_536
    destination = tmp_path / "output"
    trio.run(fleet.services.store.get, moved[0], destination)
    assert len(destination.read_text()) == 4000
