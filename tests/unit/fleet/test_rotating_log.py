"""A log's two files never grow beyond their limit, whatever is written, and dropped output is counted."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.local.processes.rotating_log import LogLimits, RotatingLog, older

LIMITS = LogLimits(file_bytes=1000, bytes_per_second=500, burst_bytes=2000)
ENDLESS = LogLimits(file_bytes=1000, bytes_per_second=10**9, burst_bytes=10**9)


class Clock:
    """A clock that the test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _text(path: Path) -> bytes:
    return (older(path).read_bytes() if older(path).exists() else b"") + path.read_bytes()


def _dropped(text: bytes) -> int:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]
    return sum(line["bytes"] for line in lines if line["action"] == "output-dropped")


@given(st.lists(st.integers(0, 3000).flatmap(lambda size: st.sampled_from([b"x" * size, b"line\n" * (size // 5)]))))
def test_files_never_pass_the_limit_for_any_output(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("log") / "a.log"
    log = RotatingLog(path, ENDLESS)
    for part in parts:
        log.write(part)
        assert path.stat().st_size <= ENDLESS.file_bytes
        assert not older(path).exists() or older(path).stat().st_size <= ENDLESS.file_bytes
    log.close()
    assert b"".join(parts).endswith(_text(path))


def test_files_are_cut_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = RotatingLog(path, ENDLESS)
    for number in range(100):
        log.write(b"line %04d of the process\n" % number)
    log.close()
    assert older(path).read_bytes().startswith(b"line ")
    assert older(path).read_bytes().endswith(b"\n")
    assert path.read_bytes().endswith(b"line 0099 of the process\n")


def test_log_continues_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"o" * 900 + b"\n")
    log = RotatingLog(path, ENDLESS)
    log.write(b"n" * 200 + b"\n")
    log.close()
    assert older(path).read_bytes() == b"o" * 900 + b"\n"
    assert path.read_bytes() == b"n" * 200 + b"\n"


def test_output_beyond_the_rate_is_dropped_and_every_dropped_byte_counted(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a.log"
    log = RotatingLog(path, LogLimits(file_bytes=10**6, bytes_per_second=500, burst_bytes=2000), clock)
    sent = 0
    for _ in range(1000):
        clock.seconds += 0.01
        log.write(b"123456789\n" * 10)
        sent += 100
    log.close()
    text = _text(path)
    kept = text.count(b"123456789\n") * 10
    assert 2000 + 10 * 500 * 0.9 <= kept <= 2000 + 10 * 500
    assert _dropped(text) + kept == sent
    assert all(line == b"123456789" or line.startswith(b"{") for line in text.splitlines())


def test_dropped_output_is_mentioned_once_the_process_is_silent(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a.log"
    log = RotatingLog(path, LIMITS, clock)
    log.write(b"half a line")
    log.write(b"x" * 5000)
    assert b"output-dropped" not in _text(path)
    clock.seconds += 1
    log.write(b"")
    assert _text(path).startswith(b"half a line\n{")
    assert _dropped(_text(path)) == 5000
    log.write(b"next\n")
    assert _text(path).endswith(b"next\n")
    log.close()


def test_full_disk_is_no_error_and_its_output_counts_as_dropped(tmp_path: Path, clock: Clock) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "a.log"
    path.symlink_to("/dev/full")
    log = RotatingLog(path, LIMITS, clock)
    log.write(b"lost\n")
    assert log.is_dropping
    log.close()


def test_log_that_can_not_be_moved_aside_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    older(path).mkdir()
    log = RotatingLog(path, ENDLESS)
    for _ in range(50):
        log.write(b"y" * 99 + b"\n")
        assert path.stat().st_size <= ENDLESS.file_bytes
    log.close()
