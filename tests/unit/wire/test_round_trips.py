"""Every wire format decodes to the value that was encoded."""

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudkon.errors import MalformedMessage
from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, ChunkSummary, Progress, Result, TaskId, TaskState
from cloudkon.wire.message import MOST_TASKS, decode_message, encode_message, message_size
from cloudkon.wire.progress import decode_progress, encode_progress, summarise_progress
from cloudkon.wire.report import decode_report, encode_report

RUN = "3a4f0c1b2c3"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.integers(min_value=0, max_value=2**40)
COUNTS = st.dictionaries(NUMBERS, st.integers(min_value=1, max_value=1000), max_size=4)
# Times are rounded to a tenth of a millisecond.
TIMES = st.integers(min_value=0, max_value=10**14).map(lambda tenths: round(tenths / 10_000, 4))


@st.composite
def results(draw: st.DrawFn) -> Result:
    state, text = draw(st.sampled_from(TaskState)), draw(TEXTS)
    succeeded = state is TaskState.SUCCEEDED
    return Result(
        TaskId(RUN, draw(NUMBERS)),
        state,
        output=text if succeeded else "",
        error="" if succeeded else text,
        attempts=draw(st.integers(min_value=0, max_value=1000)),
        started=draw(TIMES),
        seconds=draw(TIMES),
        worker=draw(TEXTS),
    )


PROGRESSES = st.builds(
    Progress,
    results=st.lists(results(), max_size=5, unique_by=lambda result: result.task).map(tuple),
    failures=COUNTS,
    losses=st.integers(min_value=0, max_value=100),
    suspect=st.none() | NUMBERS,
    suspicions=COUNTS,
    given_back=st.integers(min_value=0, max_value=100),
)


@given(PROGRESSES)
def test_progress_round_trips(progress: Progress) -> None:
    assert decode_progress(RUN, encode_progress(progress)) == progress


@given(PROGRESSES)
def test_packed_progress_is_zlib_at_every_size(progress: Progress) -> None:
    some = Progress(results=progress.results * 20)
    for one in (Progress(), progress, some):
        assert json.loads(zlib.decompress(encode_progress(one)))["v"] == 1


@given(PROGRESSES)
def test_summary_of_packed_progress_equals_its_results(progress: Progress) -> None:
    record = ChunkRecord(ChunkKey(RUN, 0, 1), ChunkState.CLAIMED, "owner", 1, 0, MOST_TASKS, progress)
    summary = summarise_progress(RUN, encode_progress(progress))
    assert ChunkSummary(0, ChunkState.CLAIMED, 0, MOST_TASKS, *summary) == ChunkSummary.of(record)


@given(st.lists(results(), max_size=5))
def test_reports_round_trip(some: list[Result]) -> None:
    assert list(decode_report(encode_report(RUN, some))) == some


@given(
    st.lists(TEXTS.filter(str.strip), min_size=1, max_size=5), NUMBERS, NUMBERS, st.integers(min_value=1, max_value=64)
)
def test_messages_round_trip_within_the_computed_size(
    instructions: list[str], number: int, first: int, shards: int
) -> None:
    chunk = Chunk(ChunkKey(RUN, number, shards), first, tuple(instructions))
    body = encode_message(chunk)
    assert decode_message(body) == chunk
    assert len(body.encode()) <= message_size(instructions)


@pytest.mark.parametrize(
    "body",
    [
        '{"v":1,"run":"r","chunk":7,"shards":4,"first":70,"tasks":["sleep 10"]}',
        '{ "tasks": ["sleep \\u0031\\u0030"], "first": 70, "v": 1, "shards": 4, "run": "r", "chunk": 7, "new": null }',
    ],
)
def test_messages_of_other_json_writers_are_read_alike(body: str) -> None:
    expected = Chunk(ChunkKey("r", 7, 4), 70, ("sleep 10",))
    assert decode_message(body) == expected


def test_progress_packed_by_an_older_version_is_read() -> None:
    rows: list[Any] = [[3, "FAILED", "no", 3, 1.5, 0.25, "w"]]
    value = {"v": 1, "results": rows, "failures": {"3": 3}, "losses": 0, "suspect": None, "suspicions": {}}
    progress = decode_progress(RUN, zlib.compress(json.dumps(value).encode(), 1))
    assert progress.failures == {3: 3}
    assert progress.results[0].error == "no"


@pytest.mark.parametrize("tasks", [["a"] * (MOST_TASKS + 1), [], ["\ud800"], [1], [" "]])
def test_message_that_can_not_be_run_is_malformed(tasks: list[object]) -> None:
    facts = {"v": 1, "run": "r", "chunk": 0, "shards": 1, "first": 0, "tasks": tasks}
    with pytest.raises(MalformedMessage):
        decode_message(json.dumps(facts))
