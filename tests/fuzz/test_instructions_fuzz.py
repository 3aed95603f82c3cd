"""Instructions and workloads from anybody: checked and expanded within their bounds, or refused in words."""

import io
import shlex
import tempfile
from contextlib import suppress
from itertools import islice
from pathlib import Path

from hypothesis import strategies as st

from client.push.durations import parse_duration
from client.push.template import Template
from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.instructions import check, parse
from cloudkon.instructions.animoto import parse_animoto
from cloudkon.instructions.sleep import sleep_seconds
from cloudkon.instructions.workload_lines import Line, lines_in
from cloudkon.model import POOLS
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.hostile_values import ANY_BYTES, ANY_TEXT, JSON_VALUES, TEXT, as_json, nearly

OPTIONS = ["--seconds", "--size", "--fps", "--transition", "--title", "--caption", "--music", "--fit", "--motion"]
STORYBOARD = {
    "seconds": 2,
    "size": "720p",
    "transition": "crossfade",
    "title": "Our holiday",
    "pictures": [{"link": "https://example.org/1.jpg", "seconds": 4, "caption": "One"}, "s3://bucket/2.png"],
}
WORDS = st.one_of(
    st.sampled_from([*OPTIONS, "https://example.org/1.jpg", "s3://bucket/2.png", "2", "1e308", "nan", "-1", "720p"]),
    TEXT,
    st.sampled_from(["'", '"', "\\", "\\\\" * 20, "''" * 20, "\u0344" * 20, "\u1161" * 20]),
)
ANIMOTO = st.lists(WORDS, max_size=6).map(" ".join) | st.lists(WORDS, max_size=6).map(shlex.join)
LINES = st.one_of(
    ANY_TEXT,
    ANIMOTO.map("animoto {}".format),
    nearly(STORYBOARD).map(lambda value: f"animoto {as_json(value)}"),
    JSON_VALUES.map(lambda value: f"animoto {as_json(value)}"),
    st.one_of(TEXT, st.floats().map(str), st.integers().map(str)).map("sleep {}".format),
    ANY_TEXT.map("exec {}".format),
)
NUMBER = st.integers(-9, 9).map(str) | st.sampled_from(["9" * 20, "9" * 101, "-" + "9" * 30, "007", "0" * 90])
RANGES = st.builds("{{{}..{}}}".format, NUMBER, NUMBER) | st.builds("{{{}..{}..{}}}".format, NUMBER, NUMBER, NUMBER)
TOKENS = RANGES | st.sampled_from(["{a.x}", "{a.y}", "{b.x}", "\\{a.x}", "{", "}", "{a.", "{}", "\\"]) | TEXT
TEMPLATES = st.lists(TOKENS, max_size=6).map("".join)
TABLES = ANY_BYTES | st.lists(st.sampled_from(["x", "y", ",", "\n", '"', "\r", "1", "{1..2}", "é"]), max_size=30).map(
    lambda parts: "x,y\n" + "".join(parts)
).map(str.encode)


@fuzzed(line=LINES)
def test_instruction_of_a_stranger_has_a_pool_or_is_refused(line: str) -> None:
    try:
        pool = check(line)
    except InvalidInstruction:
        return
    assert pool in POOLS
    word, arguments = parse(line)
    if word == "sleep":
        assert 0 <= sleep_seconds(arguments) < float("inf")
    if word == "animoto":
        job = parse_animoto(arguments)
        assert job.slides
        assert all(slide.seconds >= 0 for slide in job.slides)


@fuzzed(data=ANY_BYTES | LINES.map(lambda line: line.encode(errors="replace")))
def test_workload_of_a_stranger_is_lines_that_are_checked_or_refused(data: bytes) -> None:
    for line in lines_in(io.BytesIO(data)):
        assert line.data.strip() == line.data
        with suppress(InvalidInstruction):
            instruction, pool = line.check(())
            assert instruction
            assert pool in POOLS


@fuzzed(text=TEMPLATES, table=TABLES)
def test_template_of_a_stranger_is_expanded_or_refused(text: str, table: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        path.write_bytes(table)
        template = Template.of([f"a={path}"])
        line = Line(1, text.encode())
        with suppress(InvalidInstruction):
            for one in islice(template.expand(line), 50):
                assert one.number == 1
                assert b"\n" not in one.data or b"\n" in line.data


@fuzzed(first=st.integers(-50, 50), last=st.integers(-50, 50), step=st.integers(1, 7))
def test_range_expands_to_its_numbers(first: int, last: int, step: int) -> None:
    line = Line(1, f"sleep {{{first}..{last}..{step}}}".encode())
    found = [int(one.data.removeprefix(b"sleep ")) for one in Template().expand(line)]
    numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    assert found == list(numbers)


@fuzzed(count=st.integers(1, 3000), share=0.1)
def test_line_of_many_ranges_is_expanded_or_refused(count: int) -> None:
    with suppress(InvalidInstruction):
        assert len(list(islice(Template().expand(Line(1, b"exec " + b"{1..1}" * count)), 2))) == 1


@fuzzed(words=st.lists(ANY_TEXT | st.sampled_from(["a=/dev/null", "a=", "=x", "a=\0", "a=/"]), max_size=3))
def test_set_option_of_a_stranger_names_files_or_is_refused(words: list[str]) -> None:
    with suppress(InvalidInput):
        assert all(path.is_file() for path in Template.of(words).files.values())


@fuzzed(
    text=ANY_TEXT
    | st.builds(
        "{}{}".format,
        st.sampled_from(["1", "9" * 400, "٣", "0.5", "-1", "1e9"]),
        st.sampled_from(["ms", "s", "min", "m", "h", ""]),
    )
)
def test_duration_of_a_stranger_is_finite_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        assert 0 <= parse_duration(text) < float("inf")
