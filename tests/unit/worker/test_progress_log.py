"""Progress that handlers report is logged."""

from pathlib import Path

import pytest

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from images.worker.execution.progress_log import ProgressWatch


def context(scratch: Path, seq: int = 7) -> Context:
    return Context(TaskId("r", seq), 2, "token", 0.0, str(scratch / str(seq)), Settings(), Log())


def test_progress_is_logged_with_its_task_and_only_when_it_is_new(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    watch = ProgressWatch(tmp_path, Log())
    context(tmp_path).progress(0.5, "half the pictures")
    watch.log_new()
    watch.log_new()
    logged = capfd.readouterr().err
    assert logged.count("\n") == 1
    for part in ('"action": "progress"', '"task": "r/7"', '"attempt": 2', '"fraction": 0.5', "half the pictures"):
        assert part in logged
    context(tmp_path).progress(1.0)
    watch.log_new()
    assert '"fraction": 1.0' in capfd.readouterr().err


def test_task_without_progress_is_not_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    context(tmp_path).scratch_directory()
    ProgressWatch(tmp_path, Log()).log_new()
    assert not capfd.readouterr().err
