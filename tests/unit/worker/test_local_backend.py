"""``--local``: a workload file run in one process, without a server."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from images.worker.cli import main


def run(workload: Path | str, *options: str) -> Result:
    return CliRunner().invoke(main, ["--local", str(workload), *options])


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    return tmp_path / "workload.txt"


def test_summary_is_a_table(workload: Path) -> None:
    workload.write_text("# a comment\n\nsleep 1\nsleep 2\nsleep 3\n")
    result = run(workload)
    assert result.exit_code == 0
    heads, cells = (re.split(r"  +", line.strip()) for line in result.output.splitlines())
    assert heads == ["tasks", "succeeded", "failed", "seconds", "tasks/s", "efficiency"]
    assert cells[:3] == ["3", "3", "0"]


def test_summary_is_json_if_asked_so(workload: Path) -> None:
    workload.write_text("sleep 1\n" * 500)
    result = run(workload, "--slots", "16", "--json")
    summary = json.loads(result.output)
    assert (summary["tasks"], summary["succeeded"], summary["failed"]) == (500, 500, 0)
    assert 0 < summary["efficiency"] <= 1


def test_failed_tasks_are_counted_and_make_the_exit_code_1(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDKON_ALLOW_EXEC", "yes")
    monkeypatch.setenv("CLOUDKON_RETRY_SECONDS", "0")
    workload.write_text("sleep 1\nexec false\nexec true\n")
    result = run(workload, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["failed"] == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "it contains no instructions. Write one a line, such as: sleep 10"),
        ("# nothing\n", "it contains no instructions"),
        ("sleep 1\nsleep -5\n", "1 lines can't be run\n  line 2: sleep -5: the milliseconds must be 0 to"),
        ("fly\n", "line 1: instruction 'fly': no handler accepts it. Known: "),
        ("animoto https://example.org/a.jpg\n", "line 1: --local doesn't run instructions of the pool animoto"),
        ("sleep x\n" * 30, "and 10 more"),
    ],
)
def test_invalid_workload_is_refused_before_any_task_runs(workload: Path, text: str, error: str) -> None:
    workload.write_text(text)
    result = run(workload)
    assert result.exit_code == 2
    assert error in result.stderr
    assert "Traceback" not in result.output


def test_missing_workload_file_is_named(tmp_path: Path) -> None:
    result = run(tmp_path / "missing.txt")
    assert result.exit_code == 2
    assert "missing.txt: can't be read: No such file or directory. Name a workload file" in result.stderr


def test_invalid_setting_is_named(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload.write_text("sleep 1\n")
    monkeypatch.setenv("CLOUDKON_SLOTS", "many")
    result = run(workload)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: setting CLOUDKON_SLOTS='many'")
