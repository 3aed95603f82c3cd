"""Every number in a report or in an item of the ledger is bounded: what is beyond its bounds is named and refused."""

import json
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudkon.aws.items import (
    CONTENT,
    NO_CHUNK,
    SUMMARY_ATTRIBUTES,
    chunk_number,
    chunk_position,
    content_values,
    to_record,
    to_summary,
)
from cloudkon.aws.run_items import run_item, to_run
from cloudkon.errors import MalformedMessage
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, PoolRange, Progress, Result, Run, TaskId, TaskState
from cloudkon.wire.message import decode_message
from cloudkon.wire.payload import read_message
from cloudkon.wire.progress import decode_progress, encode_progress, summarise_progress
from cloudkon.wire.report import decode_report

ROW = [0, "SUCCEEDED", "", 1, 1795305600.5, 0.25, "w"]
RUN = Run("r", 10, 4, "", (PoolRange("worker", 0, 9), PoolRange("animoto", 9, 2)), 1795305600.5)
RECORD = ChunkRecord(
    ChunkKey("r", 0, 1), ChunkState.CLAIMED, "token", 1, 1795305600123, 1, Progress(), 1795400000, digest="a" * 16
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
ODD_NUMBERS = ["1e308", "-1", "9" * 30, "1.5", "NaN", "Infinity", "many", "1_0", " 1", "٣", ""]


def row(column: int, value: object) -> list[object]:
    changed: list[object] = list(ROW)
    changed[column] = value
    return changed


def packed(**changes: object) -> bytes:
    facts = {"v": 1, "results": [ROW], "failures": {}, "losses": 0, "suspect": None, "suspicions": {}}
    return zlib.compress(json.dumps({**facts, **changes}).encode())


def item(**changes: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(CONTENT, content_values(RECORD), strict=True)), "chunk": {"N": "0"}, **changes}


def facts(**changes: object) -> dict[str, Any]:
    found = run_item(RUN)
    return {**found, "facts": {"S": json.dumps({**json.loads(found["facts"]["S"]), **changes})}}


BAD_ROWS = [
    row(0, -1),
    row(0, 2**53),
    row(0, 1e308),
    row(0, "0"),
    row(1, "LOST"),
    row(1, ["SUCCEEDED"]),
    row(2, 5),
    row(3, 2**63),
    row(3, -1),
    row(4, 1e308),
    row(4, -0.5),
    row(4, "1"),
    row(5, 1e15),
    row(5, None),
    row(6, 7),
    ROW[:6],
    "SUCCEED",
    json.loads("[" * 400 + "]" * 400),
]


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda bad: str(bad)[:40])
def test_result_beyond_its_bounds_is_malformed_in_reports_and_in_items(bad: object) -> None:
    with pytest.raises(MalformedMessage, match="result is"):
        decode_report(json.dumps({"v": 1, "run": "r", "results": [bad]}))
    with pytest.raises(MalformedMessage, match="result is"):
        decode_progress("r", packed(results=[bad]))


def test_report_of_what_is_no_run_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match=r"field 'run' is '\.\./r', not a run's id"):
        decode_report('{"v": 1, "run": "../r", "results": []}')


BAD_PROGRESSES: list[dict[str, object]] = [
    {"losses": 2**70},
    {"losses": -1},
    {"suspect": -1},
    {"suspect": 0.0},
    {"given_back": -1},
    {"given_back": 2**70},
    {"given_back": True},
    {"failures": {"9" * 5000: 1}},
    {"failures": {"-1": 1}},
    {"failures": {"1_0": 1}},
    {"failures": {"1": 2**60}},
    {"suspicions": {str(seq): 1 for seq in range(1001)}},
    {"results": [[seq, *ROW[1:]] for seq in range(1001)]},
    {"results": [ROW, ROW]},
    {"failures": []},
    {"suspicions": None},
]


@pytest.mark.parametrize("changes", BAD_PROGRESSES, ids=lambda changes: str(changes)[:40])
def test_progress_beyond_its_bounds_is_malformed(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        decode_progress("r", packed(**changes))


@pytest.mark.parametrize("bad", [row(4, 1e308), row(5, 1e300), row(1, "LOST"), row(5, "1"), ROW[:6]], ids=str)
def test_summary_of_impossible_results_is_malformed(bad: list[object]) -> None:
    with pytest.raises(MalformedMessage):
        summarise_progress("r", packed(results=[bad]))
    with pytest.raises(MalformedMessage):
        summarise_progress("r", packed(results=[ROW, ROW]))


def test_progress_that_unpacks_to_very_much_is_malformed() -> None:
    bomb = zlib.compress(b'{"v":1,"x":"' + b" " * 200_000_000)
    assert len(bomb) < 400_000
    for read in (decode_progress, summarise_progress):
        with pytest.raises(MalformedMessage, match="unpacks to more than"):
            read("r", bomb)


@pytest.mark.parametrize("number", ODD_NUMBERS)
@pytest.mark.parametrize("name", ["attempt", "lease_end", "tasks", "expires"])
def test_item_with_an_impossible_number_is_malformed_and_named(name: str, number: str) -> None:
    with pytest.raises(MalformedMessage, match=f"item of chunk r#0 can't be read: attribute '{name}' is"):
        to_record(RECORD.key, item(**{name: {"N": number}}))


@pytest.mark.parametrize("attribute", [{"N": "1"}, {"S": "x"}, {"NULL": True}, {"M": {}}, {"L": []}], ids=str)
@pytest.mark.parametrize("name", sorted({*CONTENT, "chunk"} - {"succeeded", "failed", "cancelled"}))
def test_item_with_an_attribute_of_any_type_is_read_or_malformed(name: str, attribute: dict[str, Any]) -> None:
    for read in (lambda found: to_record(RECORD.key, found), lambda found: to_summary("r", found)):
        with suppress(MalformedMessage):
            assert read(item(**{name: attribute}))


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt": {"N": "1000000000000000"}},
        {"attempt": {"S": "1"}},
        {"owner": {"N": "1"}},
        {"owner": {"S": "x" * 257}},
        {"digest": {"N": "1"}},
        {"digest": {"S": "x" * 257}},
        {"expires": {"N": "1e308"}},
        {"state": {"S": "OPEN"}},
        *({"progress": {"B": packed(results=[bad])}} for bad in BAD_ROWS),
        *({"progress": {"B": packed(**progress)}} for progress in BAD_PROGRESSES),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_item_that_a_worker_refuses_is_refused_as_a_summary_in_the_same_words(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage, match=r"the ledger's item of chunk r#0 can't be read: ") as as_record:
        to_record(RECORD.key, item(**changes))
    with pytest.raises(MalformedMessage) as as_summary:
        to_summary("r", {name: value for name, value in item(**changes).items() if name in SUMMARY_ATTRIBUTES})
    assert str(as_summary.value) == str(as_record.value)


def test_item_without_an_attribute_is_malformed_and_names_it() -> None:
    damaged = item()
    del damaged["owner"]
    with pytest.raises(MalformedMessage, match=r"can't be read: attribute 'owner' is missing$"):
        to_record(RECORD.key, damaged)
    with pytest.raises(MalformedMessage, match=r"can't be read: attribute 'owner' is not a string$"):
        to_summary("r", item(owner={"N": "1"}))


def test_item_of_a_version_without_digests_is_read() -> None:
    old = item()
    del old["digest"]
    assert to_record(RECORD.key, old).digest == ""
    assert to_record(RECORD.key, item()) == RECORD


@pytest.mark.parametrize(
    ("text", "position"), [("7", 7), ("1.5", 1), ("1e30", 10**19), ("9e999999999", 10**19), ("-8", -1)]
)
def test_key_that_is_no_chunk_number_has_only_a_position(text: str, position: int) -> None:
    """So an item at 1.5 is not taken for that of chunk 1, and reading goes on behind it."""
    item = {"chunk": {"N": text}}
    assert chunk_number(item) == (7 if text == "7" else NO_CHUNK)
    assert chunk_position(item) == position


BAD_FACTS = [
    {"chunk_size": 0},
    {"chunk_size": 1001},
    {"chunk_size": 1.0},
    {"shards": 10**9},
    {"shards": 0},
    {"ranges": [["worker", 0, 10**15]]},
    {"ranges": [["worker", 0, -1]]},
    {"ranges": [["worker", 0, 10**9], ["animoto", 10**9, 1]]},
    {"ranges": [["worker", 0, 5], ["animoto", 6, 1]]},
    {"ranges": [["worker", 1, 5]]},
    {"ranges": [["worker", 0, True]]},
    {"ranges": [["worker", 0]]},
    {"ranges": [[7, 0, 1]]},
    {"ranges": ["abc"]},
    {"ranges": [["worker", 0, 0]] * 101},
    {"started": "1795305600"},
    {"started": 1e300},
    {"started": -1},
    {"parent": "../r"},
    {"parent": None},
    {"digest": 7},
    {"priority": "urgent"},
    {"priority": ["high"]},
    {"v": 1.0},
]


@pytest.mark.parametrize("changes", BAD_FACTS, ids=str)
def test_run_item_beyond_its_bounds_is_malformed_and_named(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage, match="the ledger's item of run r "):
        to_run("r", facts(**changes))


@pytest.mark.parametrize("cancelled", [{"S": "true"}, {"BOOL": "false"}, {"BOOL": 1}, {"NULL": True}], ids=str)
def test_run_item_whose_flag_is_no_flag_is_malformed(cancelled: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage, match="the ledger's item of run r "):
        to_run("r", {**run_item(RUN), "cancelled": cancelled})


def test_run_item_with_a_field_twice_is_malformed() -> None:
    text = run_item(RUN)["facts"]["S"][:-1] + ',"shards":1}'
    with pytest.raises(MalformedMessage, match="has field 'shards' twice"):
        to_run("r", {**run_item(RUN), "facts": {"S": text}})


@given(JSON, st.sampled_from(["v", "run", "chunk", "shards", "first", "tasks", "count", "payload"]), st.integers(1, 2))
def test_message_with_any_field_is_read_or_malformed(value: object, name: str, version: int) -> None:
    good = {"v": version, "run": "r", "chunk": 0, "shards": 1, "first": 0, "count": 1, "payload": {}, "tasks": ["a"]}
    for read in (read_message, decode_message):
        with suppress(MalformedMessage):
            assert len(read(json.dumps({**good, name: value}))) == 1


@given(st.integers(0, 2**53 - 1), st.floats(0, 2.5e11), st.integers(0, 10**9))
def test_result_within_its_bounds_is_written_and_read(seq: int, seconds: float, attempts: int) -> None:
    result = Result(TaskId("r", seq), TaskState.FAILED, "", "no", attempts, round(seconds, 4), round(seconds, 4), "w")
    assert decode_progress("r", encode_progress(Progress((result,)))).results == (result,)
