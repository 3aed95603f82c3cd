"""The Python interface and the bench on a real local fleet, started as users start them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.fleet.conftest import CommandLine
from tests.support.pages import blocks, page
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.long

WAITING = """
from client import Fleet

with Fleet() as fleet:
    run = fleet.submit(["sleep 600000"])
    run.wait(on_counts=lambda counts, ended: print(run.id, flush=True))
"""
REOPENING = """
import sys
from client import Fleet

with Fleet() as fleet:
    run = fleet.run(sys.argv[1])
    run.cancel()
    print(*(result.state for result in run.results()))
"""


def python(line: CommandLine, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=line.directory,
        env=line.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(line: CommandLine, *words: str) -> str:
    process = python(line, *words)
    try:
        written, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return written


def test_interrupted_script_continues_and_the_bench_measures_the_fleet(whole: CommandLine) -> None:
    whole.run("up")
    whole.run("scale", "2")
    first = output_of(whole, "-c", blocks(page("python.md"), "python")[0])
    assert first.count("SUCCEEDED") == 100

    waiting = python(whole, "-c", WAITING)
    try:
        assert waiting.stdout is not None
        run = waiting.stdout.readline().strip()
        waiting.send_signal(signal.SIGINT)
        _, errors = waiting.communicate(timeout=PATIENCE)
    finally:
        waiting.kill()
    assert "KeyboardInterrupt" in errors
    assert f"Open it again with: Fleet().run('{run}')" in errors
    assert output_of(whole, "-c", REOPENING, run) == "CANCELLED\n"

    words = ("--only", "throughput", "--workers", "1", "--share", "0.01")
    assert output_of(whole, "-m", "client", "bench", *words) == "bench/report.md\n"
    measured = json.loads(Path(whole.directory, "bench/findings.json").read_text())["measured"]
    assert {key: (one["tasks"], one["failed"]) for key, one in measured.items()} == {"throughput/1": (100, 0)}
    assert all(one["seconds"] > 0 for one in measured.values())
    assert whole.status()["pools"]["worker"]["desired"] == 2, "the number of workers is restored"
