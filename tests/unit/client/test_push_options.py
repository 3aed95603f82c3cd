"""Tests of what the push command does with a workload before it sends it."""

import gzip
import io
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK
from cloudkon.model import Chunk
from cloudkon.ports import Services
from tests.support.client_doubles import BreakingQueue, chunks_on, json_lines, record_results, succeeded, with_queue
from tests.unit.client.commands import Client, read_run


def sent(services: Services, pool: str = "worker") -> list[Chunk]:
    found = trio.run(chunks_on, services.queues[pool])
    trio.run(services.queues[pool].purge)
    return found


def instructions(services: Services) -> list[str]:
    return [task.instruction for chunk in sent(services) for task in chunk.tasks()]


def test_ranges_and_files_are_expanded(client: Client, services: Services) -> None:
    Path("jobs.csv").write_text("ms\n7\n8\n")
    Path("w.txt").write_text("# three\n\nsleep {1..3}\nsleep {jobs.ms}\nsleep 9\n")
    assert client("push", "w.txt", "--set", "jobs=jobs.csv") == EXIT_OK
    assert instructions(services) == [f"sleep {number}" for number in (1, 2, 3, 7, 8, 9)]


def test_all_problems_are_named_before_anything_is_sent(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("jobs.csv").write_text("ms\n7\n")
    Path("w.txt").write_text("sleep 1\nsleep {jobs.s}\nslep\nsleep {-1..0}\nsleep {1..2..0}\n# duration x\n")
    assert client("push", "w.txt", "--set", "jobs=jobs.csv") == EXIT_BAD_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [f"line {number}" for number in (2, 3, 4, 5, 6)]
    assert sent(services) == []


def test_compressed_workloads_are_read_from_files_and_standard_input(
    client: Client, services: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = gzip.compress(b"sleep 1\nsleep 2\n" * 1000)
    Path("w.gz").write_bytes(packed)
    assert client("push", "w.gz", "--chunk", "100") == EXIT_OK
    assert len(instructions(services)) == 2000
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(packed))))
    assert client("push", "-", "--chunk", "100") == EXIT_OK
    assert len(instructions(services)) == 2000
    Path("torn.gz").write_bytes(packed[:-9])
    capsys.readouterr()
    assert client("push", "torn.gz") == EXIT_BAD_INPUT
    [line] = capsys.readouterr().err.splitlines()
    assert "torn.gz: the gzip file is damaged" in line


def test_dry_run_prints_the_plan_and_sends_nothing(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("w.txt").write_text("sleep {1..100}\nanimoto https://a.example/1.jpg\n")
    assert client("push", "w.txt", "--dry-run", "--chunk", "10", "--json", "--duration", "2s") == EXIT_OK
    [facts] = json_lines(capsys.readouterr().out)
    assert (facts["tasks"], facts["messages"], facts["pools"]) == (101, 11, {"worker": 100, "animoto": 1})
    assert (facts["bytes"], facts["work_seconds"]) == (9 * 8 + 90 * 9 + 10 + 32, 7.05)
    dollars = facts["dollars"]
    assert isinstance(dollars, dict)
    assert 11 * 2 * 0.625e-6 <= dollars["ledger"] < 1e-4
    assert client("push", "w.txt", "--dry-run") == EXIT_OK
    written = capsys.readouterr().out
    assert "101 tasks: 100 to pool worker, 1 to pool animoto" in written
    assert written.endswith("nothing was sent\n")
    assert sent(services) == []
    assert client("runs") == EXIT_OK
    assert "there are no runs" in capsys.readouterr().err


def test_auto_chunks_use_declared_and_observed_durations(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("w.txt").write_text("sleep 10\n" * 60)
    assert client("push", "w.txt", "--chunk", "auto") == EXIT_OK
    assert [len(chunk) for chunk in sent(services)] == [25, 25, 10]
    Path("x.txt").write_text("exec a\n" * 30)
    capsys.readouterr()
    assert client("push", "x.txt", "--chunk", "auto") == EXIT_OK
    written = capsys.readouterr()
    assert "the duration of exec tasks is unknown" in written.err
    assert len(sent(services)) == 30
    run = read_run(services, written.out.strip())
    quick = [replace(one, seconds=0.05) for one in succeeded(run, range(30))]
    trio.run(record_results, services, run, quick)
    assert client("push", "x.txt", "--chunk", "auto") == EXIT_OK
    assert [len(chunk) for chunk in sent(services)] == [5] * 6, "as observed in the last run"
    assert client("push", "x.txt", "--chunk", "auto", "--duration", "25ms") == EXIT_OK
    assert len(sent(services)) == 3
    assert client("push", "x.txt", "--chunk", "many") == EXIT_BAD_INPUT


def test_unfinished_auto_push_resumes_with_its_own_chunk_size(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.txt").write_text("exec a\n" * 100)
    queue = BreakingQueue(1)
    broken = with_queue(services, "worker", queue)
    assert client("push", "x.txt", "--chunk", "auto", "--duration", "50ms", fleet=broken) == EXIT_FAILED
    queue.batches = 100
    capsys.readouterr()
    assert client("push", "x.txt", "--chunk", "auto", "--duration", "1s", fleet=broken) == EXIT_OK
    written = capsys.readouterr()
    assert re.search(r"resumes: \d+ of 20 messages were sent before", written.err)
    assert read_run(services, written.out.strip()).chunk_size == 5


def test_long_instructions_make_smaller_chunks(client: Client, services: Services) -> None:
    Path("x.txt").write_text(("exec " + "x" * 100_000 + "\n") * 20)
    assert client("push", "x.txt", "--chunk", "auto", "--duration", "10ms") == EXIT_OK
    assert len(sent(services)) == 20
