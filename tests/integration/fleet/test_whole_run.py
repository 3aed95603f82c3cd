"""The three programs together, while the emulator and the workers are stopped, started and killed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.fleet.conftest import CommandLine
from tests.support.patience import until

pytestmark = pytest.mark.long

TASKS = 400
TASK_MILLISECONDS = 100
"""Long enough that a busy machine can look at the run and kill its workers before it is over."""


def client(line: CommandLine, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "client", *arguments],
        cwd=line.directory,
        env=line.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{arguments} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def push(line: CommandLine) -> str:
    client(line, "generate", str(TASKS), "sleep", str(TASK_MILLISECONDS))
    return client(line, "push").strip()


def some_ended(line: CommandLine, run: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "client", "results", run],
        cwd=line.directory,
        env=line.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout.count("\n") > TASKS // 20


def assert_every_task_has_one_result(line: CommandLine, run: str) -> None:
    client(line, "check", run, "--wait")
    rows = [json.loads(row) for row in client(line, "results", run, "--json").splitlines()]
    assert Counter(row["task"] for row in rows) == Counter(f"{run}/{seq}" for seq in range(TASKS))
    assert {row["state"] for row in rows} == {"SUCCEEDED"}


def test_run_survives_a_restart_of_the_emulator(whole: CommandLine) -> None:
    whole.run("up")
    whole.run("scale", "2")
    run = push(whole)
    until(lambda: some_ended(whole, run))
    before = whole.status()["emulator"]["pid"]
    # An orderly stop saves everything. The supervisor starts the emulator again at the same address.
    os.kill(before, signal.SIGTERM)
    until(lambda: whole.status()["emulator"]["pid"] not in (0, before))
    assert_every_task_has_one_result(whole, run)


def test_run_survives_the_death_of_each_worker(whole: CommandLine) -> None:
    whole.run("up")
    whole.run("scale", "2")
    run = push(whole)
    until(lambda: some_ended(whole, run))
    for pid in whole.workers().values():
        os.kill(pid, signal.SIGKILL)
    assert_every_task_has_one_result(whole, run)
    logs = Path(whole.state_dir.logs).glob("worker-*.log")
    assert any("worker-lost" in log.read_text() for log in logs), "no worker took over from a dead one"
