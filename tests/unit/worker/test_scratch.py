"""Scratch directories: one a process, removed at its end or, after a kill, by the next process."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from images.worker.execution.scratch import open_scratch


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_scratch_directory_exists_while_the_worker_runs(parent: Path) -> None:
    with open_scratch() as scratch:
        (scratch / "task").mkdir()
        (scratch / "task" / "file").write_text("x")
        assert scratch.parent == parent
    assert list(parent.iterdir()) == []


def test_directory_of_a_killed_worker_is_removed_and_nothing_else(parent: Path) -> None:
    dead = parent / f"cloudkon-abc-{ended_pid()}"
    alive = parent / f"cloudkon-abc-{os.getpid()}"
    own_results = parent / f"cloudkon-results-{ended_pid()}"
    for directory in (dead, alive, own_results, parent / "cloudkon-notes", parent / "others-1"):
        directory.mkdir()
        (directory / "file").write_text("x")
    (dead / ".cloudkon-scratch").touch()
    with open_scratch():
        assert not dead.exists()
        assert alive.exists()
    assert {one.name for one in parent.iterdir()} == {
        alive.name,
        own_results.name,
        "cloudkon-notes",
        "others-1",
    }


def test_two_workers_share_no_directory(parent: Path) -> None:
    with open_scratch() as one, open_scratch() as two:
        assert one != two
        assert two.exists()
        assert one.exists()
