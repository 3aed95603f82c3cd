import tracemalloc
from pathlib import Path

import pytest

from client.push.template import MOST_INSTRUCTIONS, Template
from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.instructions.workload_lines import Line


def expand(text: str, *sets: str) -> list[str]:
    lines = list(Template.of(sets).expand(Line(7, text.encode())))
    assert {line.number for line in lines} <= {7}
    return [line.data.decode() for line in lines]


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("sleep {1..3}", ["sleep 1", "sleep 2", "sleep 3"]),
        ("sleep {3..1}", ["sleep 3", "sleep 2", "sleep 1"]),
        ("sleep {0..10..5}", ["sleep 0", "sleep 5", "sleep 10"]),
        ("exec x {-1..1}", ["exec x -1", "exec x 0", "exec x 1"]),
        ("exec x {008..010}", ["exec x 008", "exec x 009", "exec x 010"]),
        ("exec {1..2} {8..9} z", ["exec 1 8 z", "exec 1 9 z", "exec 2 8 z", "exec 2 9 z"]),
        ("sleep {5..5}", ["sleep 5"]),
        (r"exec echo \{1..3} é", ["exec echo {1..3} é"]),
        ('exec run {"a": 1} ${x} {a,b}', ['exec run {"a": 1} ${x} {a,b}']),
        (r"exec grep \{ {jobs.size}", [r"exec grep \{ {jobs.size}"]),
    ],
)
def test_ranges_expand_to_numbers(text: str, instructions: list[str]) -> None:
    assert expand(text) == instructions


def test_columns_expand_to_the_rows_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text('\ufefflink,the size\nhttps://a.example/1.jpg,720p\n"x, y",4k\n', encoding="utf-8")
    assert expand("animoto --size {jobs.the size} {jobs.link}", f"jobs={path}") == [
        "animoto --size 720p https://a.example/1.jpg",
        "animoto --size 4k x, y",
    ]
    assert expand("exec {jobs.the size} {1..2}", f"jobs={path}") == [
        "exec 720p 1",
        "exec 4k 1",
        "exec 720p 2",
        "exec 4k 2",
    ]
    assert len(expand("exec {jobs.link} {other.link}", f"jobs={path}", f"other={path}")) == 4
    assert expand(r"exec \{jobs.link}", f"jobs={path}") == ["exec {jobs.link}"]


def test_values_from_a_file_are_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n{b.y}\n{1..3}\n\\{1..3}\n")
    (tmp_path / "b.csv").write_text("y\n1\n")
    given = (f"a={tmp_path / 'a.csv'}", f"b={tmp_path / 'b.csv'}")
    assert expand("exec {a.x} {b.y}", *given) == ["exec {b.y} 1", "exec {1..3} 1", "exec \\{1..3} 1"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exec {jobs.sise}", "column 'sise': .* has no such column. Columns: link, size"),
        ("exec {job.size}", "no --set defines this name"),
        ("exec {bad.link}", "line 3: the number of values is wrong"),
        ("exec {broken.link}", "a value in .* has a line break"),
        ("sleep {1..9..0}", "the step must not be 0"),
        (f"sleep {{0..{MOST_INSTRUCTIONS}}}", "they make 10,000,001 instructions from one line, or more"),
        ("sleep {1..99999} {1..99999}", "they make 9,999,800,001 instructions"),
        ("sleep {1..99999999999999999999}", "they make 99,999,999,999,999,999,999 instructions"),
        ("sleep {1..-99999999999999999999..3}", "they make 33,333,333,333,333,333,334 instructions"),
        ("exec {1..9999999999}" + "{1..9}" * 9999, "they make 9,999,999,999 instructions from one line, or more"),
        ("exec {1..10000000}" + "x" * 500, "make 10,000,000 instructions of 518 characters .* most is 4,294,967,296"),
        (f"sleep {{1..{'9' * 5000}}}", "range .*…: its numbers have more than 100 digits"),
    ],
)
def test_expansion_errors_name_their_reason(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("link,size\na,b\n")
    (tmp_path / "bad.csv").write_text("link,size\na,b\nc\n")
    (tmp_path / "broken.csv").write_text('link,size\n"a\nb",c\n')
    with pytest.raises(InvalidInstruction, match=reason):
        expand(text, *(f"{name}={tmp_path / name}.csv" for name in ("jobs", "bad", "broken")))


@pytest.mark.parametrize("given", ["jobs", "=jobs.csv", "1=jobs.csv", "jobs=missing.csv"])
def test_invalid_set_options_are_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="--set"):
        Template.of([given])


def test_large_range_is_streamed() -> None:
    tracemalloc.start()
    count = sum(1 for _ in Template().expand(Line(1, b"sleep {1..300} {1..300}")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 90_000
    assert peak < 100_000


def test_many_ranges_in_a_line_expand_like_few() -> None:
    assert expand("exec " + "{1..1}" * 3000) == ["exec " + "1" * 3000]
    found = expand("exec " + "{07..7}" * 3000 + "{1..2}" + "{3..3}" * 3000 + "{5..4}")
    assert found == ["exec " + "07" * 3000 + first + "3" * 3000 + last for first in "12" for last in "54"]
