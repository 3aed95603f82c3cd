import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest

from client.push.staged_workload import stage_workload
from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.wire.message import INSTRUCTION_LIMIT
from tests.support.client_doubles import stage_text

JOB = "animoto s3://bucket/picture.jpg"


def test_instructions_are_divided_by_pool_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "animoto https://a.example/1.jpg\nsleep 1\nanimoto https://a.example/2.jpg\nsleep 2\n"
    with stage_text(text, tmp_path) as staged:
        assert staged.counts == {"animoto": 2, "worker": 2}
        assert list(staged.instructions("worker")) == ["sleep 1", "sleep 2"]
        assert [part.first for part in staged.plan("r", 0.0).ranges] == [0, 2]
        assert list(staged.instructions("worker")) == ["sleep 1", "sleep 2"], "it can be read again"


def test_digest_depends_on_the_instructions_only(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        with stage_text(text, tmp_path) as staged:
            return staged.digest

    assert digest("sleep 1\nsleep 2\n") == digest("# two\r\nsleep 1\r\n\r\n  sleep 2")
    assert digest("sleep 1\nsleep 2\n") != digest("sleep 2\nsleep 1\n")
    assert digest("exec a\nexec b\n") != digest("exec a b\n")


def test_archive_digest_is_that_of_the_instructions_in_the_order_of_task_numbers(tmp_path: Path) -> None:
    with stage_text(f"sleep 1\n{JOB}\nsleep 2\n", tmp_path) as staged:
        run = staged.plan("r1", 0.0)
    lines = f"sleep 1\nsleep 2\n{JOB}\n".encode()
    assert (run.archive_digest, run.archive_size) == (hashlib.sha256(lines).hexdigest(), len(lines))


def test_numbers_of_the_parents_tasks_follow_the_numbers_of_the_tasks(tmp_path: Path) -> None:
    workload = io.BytesIO(f"sleep 1\n{JOB}\nsleep 2\n".encode())
    with stage_workload(workload, "failed", tmp_path, parent="r1", parent_numbers=[5, 70, 900]) as staged:
        assert list(staged.parent_numbers) == [5, 900, 70]


def test_every_problem_is_named_by_its_line(tmp_path: Path) -> None:
    text = "sleep 1\nslep 2\n\nsleep -3\nsleep x\nanimoto\n"
    with pytest.raises(InvalidWorkload) as caught, stage_text(text, tmp_path):
        pass
    lines = str(caught.value).splitlines()
    assert "4 problems in 5 lines; nothing was sent" in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["line 2", "line 4", "line 5", "line 6"]


def test_first_twenty_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkload) as caught, stage_text("slep\n" * 1000, tmp_path):
        pass
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert "1,000 problems" in lines[0]
    assert lines[-1].strip() == "and 980 more"


@pytest.mark.parametrize("text", ["", "\n\n# only this\n"])
def test_empty_workload_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkload, match="it has no instructions"), stage_text(text, tmp_path):
        pass


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_chunk_size_outside_the_limits_is_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="a chunk holds 1 to 1,000"), stage_text("sleep 1", tmp_path, size):
        pass


@pytest.mark.parametrize(("letter", "count"), [("x", 7), ('"', 4), ("\x01", 2)])
def test_too_large_chunk_is_found_before_anything_is_sent(letter: str, count: int, tmp_path: Path) -> None:
    long = "exec " + letter * (INSTRUCTION_LIMIT - 5)
    text = "\n".join(["sleep 1", *[long] * count])
    with pytest.raises(InvalidWorkload, match=r"line 1: chunk: .* lower --chunk"), stage_text(text, tmp_path, 1000):
        pass


def test_last_chunk_is_measured_though_not_full(tmp_path: Path) -> None:
    long = "exec " + "x" * (INSTRUCTION_LIMIT - 5)
    text = "\n".join([*["sleep 1"] * 10, *[long] * 7])
    with pytest.raises(InvalidWorkload, match="line 11: chunk"), stage_text(text, tmp_path, 10):
        pass


def test_single_instruction_always_fits_a_chunk(tmp_path: Path) -> None:
    long = "exec " + "\x01" * (INSTRUCTION_LIMIT - 5)
    with stage_text(long, tmp_path) as staged:
        assert staged.count == 1


def test_checking_reports_its_progress(tmp_path: Path) -> None:
    reports: list[int] = []
    text = io.BytesIO(b"sleep 1\n" * 25_000)
    with stage_workload(text, "w", tmp_path, on_instructions=reports.append) as staged:
        assert staged.count == 25_000
    assert reports == [10_000, 10_000]


def test_staging_leaves_no_file_on_disk(tmp_path: Path) -> None:
    with stage_text("sleep 1\n", tmp_path) as staged:
        assert list(staged.instructions("worker")) == ["sleep 1"]
        assert list(tmp_path.iterdir()) == [], "even a killed process leaves no file"


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "workload.txt"
    with path.open("w") as stream:
        stream.writelines(f"sleep {number % 1000}\n" for number in range(200_000))
    with path.open("rb") as stream:
        tracemalloc.start()
        try:
            with stage_workload(stream, "w", tmp_path, chunk_size=10) as staged:
                assert sum(1 for _ in staged.instructions("worker")) == staged.count == 200_000
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()


def test_workload_may_come_from_any_stream(tmp_path: Path) -> None:
    with stage_workload(io.BytesIO(b"sleep 1\n"), "standard input", tmp_path / "made" / "for it") as staged:
        assert staged.count == 1
