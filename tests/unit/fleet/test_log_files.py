"""Logs stay small, and are read, merged and followed without losing or repeating lines."""

import json
from pathlib import Path

import pytest

from cloudkon.model import ANIMOTO
from fleet.local import log_files
from fleet.local.log_files import LogFollower, LogLine, last_lines, merge_by_time, parse_line, recent_lines, rotate
from fleet.local.logs import LogReader
from fleet.local.processes.rotating_log import LogLimits, RotatingLog
from fleet.local.state_dir import StateDir


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MOST_LOG_BYTES", 100)


def test_last_lines_skip_blank_lines_and_start_at_an_offset(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_lines(log, 3) == []
    log.write_text("one\n\ntwo\nthree\n")
    assert last_lines(log, 2) == ["two", "three"]
    assert last_lines(log, 0) == []
    assert last_lines(log, 9, since=len("one\n\n")) == ["two", "three"]
    assert last_lines(log, 9, since=1000) == []


def test_only_a_large_log_is_rotated_before_a_start(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    rotate(log)
    log.write_text("x" * 20)
    rotate(log)
    assert log.exists()
    log.write_text("y" * 60)
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "a.log.1").read_text() == "y" * 60


def test_follower_reads_complete_lines_once_across_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = RotatingLog(path, LogLimits(file_bytes=100))
    log.write(b"old\n")
    follower = LogFollower(path)
    assert list(follower.new_lines()) == []
    log.write(b"one\nhal")
    assert list(follower.new_lines()) == ["one"]
    log.write(b"f\n" + b"y" * 80 + b"\n" + b"z" * 80 + b"\n")
    assert (tmp_path / "a.log.1").exists()
    assert list(follower.new_lines()) == ["half", "y" * 80, "z" * 80]
    log.write(b"after\n")
    assert list(follower.new_lines()) == ["after"]
    log.close()


def test_follower_goes_on_after_a_log_was_emptied_or_removed(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old, and longer than what follows\n")
    follower = LogFollower(log)
    log.write_text("new\n")
    assert list(follower.new_lines()) == ["new"]
    log.unlink()
    assert list(follower.new_lines()) == []
    log.write_text("anew\n")
    assert list(follower.new_lines()) == ["anew"]


def test_recent_lines_go_back_into_the_older_file(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("three\n")
    (tmp_path / "a.log.1").write_text("one\ntwo\n")
    assert recent_lines(log, 2) == ["two", "three"]
    assert recent_lines(log, 9) == ["one", "two", "three"]
    assert recent_lines(log, 1) == ["three"]
    assert recent_lines(log, 0) == []


def test_lines_are_merged_by_time_and_a_traceback_stays_together() -> None:
    def line(time: float, text: str) -> str:
        return json.dumps({"time": time, "text": text})

    first = [parse_line("worker-1", text) for text in (line(1.0, "a"), "Traceback", "  in f", line(3.0, "c"))]
    second = [parse_line("worker-2", line(2.0, "b"))]
    assert [(one.source, one.text[:9]) for one in merge_by_time([*first, *second])] == [
        ("worker-1", '{"time": '),
        ("worker-1", "Traceback"),
        ("worker-1", "  in f"),
        ("worker-2", '{"time": '),
        ("worker-1", '{"time": '),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "{broken",
        "{}",
        '{"time": "noon"}',
        '{"time": null}',
        '{"time": 1%s}' % ("0" * 400),
        '{"time": NaN}',
        '{"a":' * 20_000,
    ],
    ids=range(8),
)
def test_line_without_a_time_is_kept(text: str) -> None:
    assert parse_line("worker-1", text) == LogLine(0.0, "worker-1", text)


async def test_logs_contain_only_workers_of_the_given_pool(tmp_path: Path) -> None:
    state_dir = StateDir(tmp_path)
    state_dir.make()
    for name in ("worker-1", "animoto-1", "animoto-12", "emulator", "supervisor"):
        (state_dir.logs / f"{name}.log").write_text(f"of {name}\n")
    (state_dir.logs / "animoto-1.log.1").write_text("old\n")
    written: list[tuple[str, str]] = []
    await LogReader(state_dir, ANIMOTO).read(5, follow=False, write=lambda source, text: written.append((source, text)))
    assert written == [("animoto-1", "old"), ("animoto-1", "of animoto-1"), ("animoto-12", "of animoto-12")]
    assert [path.stem for path in LogReader(state_dir, None).paths()] == ["animoto-1", "animoto-12", "worker-1"]
