"""The ledger's items from anybody who can write to it: a value within its bounds, or MalformedMessage."""

import json
import math
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st

from cloudkon.aws.items import CONTENT, SUMMARY_ATTRIBUTES, content_values, to_record, to_summary
from cloudkon.aws.run_items import run_item, to_run
from cloudkon.errors import MalformedMessage
from cloudkon.model import ChunkKey, ChunkSummary, PoolRange, Priority, Progress, Run
from cloudkon.model.run import MOST_SHARDS
from cloudkon.wire.message import MOST_TASKS
from cloudkon.wire.progress import decode_progress, encode_progress, summarise_progress
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.hostile_values import ANY_BYTES, DECIMALS, JSON_VALUES, TEXT, as_json, nearly
from tests.fuzz.wire_values import LARGEST, ROW, ROWS, assert_sound

KEY = ChunkKey("r1", 7, 4)
PROGRESS = {"v": 1, "results": [ROW], "failures": {"3": 1}, "losses": 0, "suspect": None, "suspicions": {}}
COUNTS = st.dictionaries(st.sampled_from(["3", "-1", "x", "9" * 400, " 3", "٣", "1_0"]) | TEXT, JSON_VALUES, max_size=2)
PACKED = ANY_BYTES | (
    JSON_VALUES
    | nearly(PROGRESS)
    | ROWS.map(lambda rows: {**PROGRESS, "results": rows})
    | COUNTS.map(lambda counts: {**PROGRESS, "failures": counts})
    | COUNTS.map(lambda counts: {**PROGRESS, "suspicions": counts})
).map(lambda value: zlib.compress(as_json(value).encode()))
ATTRIBUTES = st.one_of(
    DECIMALS.map(lambda text: {"N": text}),
    TEXT.map(lambda text: {"S": text}),
    PACKED.map(lambda packed: {"B": packed}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.just({"L": []}),
)
RECORD = {
    "shard": {"S": "r1#3"},
    "chunk": {"N": "7"},
    "state": {"S": "DONE"},
    "owner": {"S": "token"},
    "attempt": {"N": "1"},
    "lease_end": {"N": "0"},
    "tasks": {"N": "2"},
    "digest": {"S": "0" * 16},
    "progress": {"B": zlib.compress(as_json(PROGRESS).encode())},
    "expires": {"N": "1"},
}
FACTS = {
    "v": 1,
    "chunk_size": 2,
    "shards": 4,
    "digest": "0" * 64,
    "ranges": [["worker", 0, 10]],
    "started": 1.5,
    "parent": "",
    "priority": "normal",
}
RANGES = st.lists(
    st.lists(JSON_VALUES | st.sampled_from(["worker", "animoto", 0, 10]), max_size=4) | JSON_VALUES, max_size=3
)


def items(right: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Items that differ from a right one in a few attributes."""

    def change(changes: dict[str, Any], missing: set[str]) -> dict[str, Any]:
        return {name: value for name, value in {**right, **changes}.items() if name not in missing}

    names = st.sampled_from(sorted(right))
    return st.builds(change, st.dictionaries(names, ATTRIBUTES, max_size=2), st.sets(names, max_size=1))


def assert_sound_progress(progress: Progress) -> None:
    for result in progress.results:
        assert_sound(result)
    for counts in (progress.failures, progress.suspicions):
        assert all(0 <= seq <= LARGEST and 0 <= count <= LARGEST for seq, count in counts.items())
    assert 0 <= progress.losses <= LARGEST
    assert progress.suspect is None or 0 <= progress.suspect <= LARGEST


@fuzzed(packed=PACKED)
def test_progress_of_a_stranger_can_be_written_again_or_is_malformed(packed: bytes) -> None:
    try:
        found = decode_progress("r1", packed)
    except MalformedMessage:
        return
    assert_sound_progress(found)
    again = decode_progress("r1", encode_progress(found))
    assert [result.task for result in again.results] == [result.task for result in found.results]
    assert (again.failures, again.suspicions) == (found.failures, found.suspicions)


@fuzzed(packed=PACKED)
def test_summary_of_a_stranger_is_finite_or_malformed(packed: bytes) -> None:
    try:
        found = summarise_progress("r1", packed)
    except MalformedMessage:
        return
    assert all(math.isfinite(value) and value >= 0 for value in (found.first_start, found.last_end, found.busy_seconds))
    assert found.succeeded + found.failed + found.cancelled <= MOST_TASKS


@fuzzed(megabytes=st.integers(17, 40), filling=st.sampled_from([b" ", b"[", b"0", b'"']), share=0.04)
def test_progress_that_unpacks_to_many_megabytes_is_malformed(megabytes: int, filling: bytes) -> None:
    packed = zlib.compress(as_json(PROGRESS).encode() + filling * megabytes * 2**20, 1)
    for read in (decode_progress, summarise_progress):
        with pytest.raises(MalformedMessage):
            read("r1", packed)


@fuzzed(item=items(RECORD))
def test_item_of_a_stranger_is_a_record_that_can_be_written_again_or_malformed(item: dict[str, Any]) -> None:
    try:
        found = to_record(KEY, item)
    except MalformedMessage:
        return
    assert_sound_progress(found.progress)
    assert 0 <= found.attempt <= LARGEST
    assert 0 <= found.tasks <= MOST_TASKS
    assert -1 <= found.lease_end <= LARGEST
    assert 0 <= found.expires <= LARGEST
    assert to_record(KEY, dict(zip(CONTENT, content_values(found), strict=True))).state is found.state


@fuzzed(item=items(RECORD))
def test_item_of_a_stranger_is_summarised_within_its_bounds_or_malformed(item: dict[str, Any]) -> None:
    try:
        found = to_summary("r1", item)
    except MalformedMessage:
        return
    assert 0 <= found.number <= LARGEST
    assert 0 <= found.tasks <= MOST_TASKS
    assert all(math.isfinite(value) and value >= 0 for value in (found.first_start, found.last_end, found.busy_seconds))


def read_by(read: Callable[[], ChunkSummary]) -> tuple[ChunkSummary | None, str]:
    """What a reader makes of an item, and why it refuses it."""
    try:
        return read(), ""
    except MalformedMessage as error:
        return None, str(error)


@fuzzed(item=items(RECORD), packed=st.none() | PACKED)
def test_item_is_refused_by_all_readers_or_by_none(item: dict[str, Any], packed: bytes | None) -> None:
    # The key is no attribute to a reader of a record: it asked for it.
    right = {**item, "chunk": RECORD["chunk"]} | ({} if packed is None else {"progress": {"B": packed}})
    fetched = {name: value for name, value in right.items() if name in SUMMARY_ATTRIBUTES}
    record = read_by(lambda: ChunkSummary.of(to_record(KEY, right)))
    assert read_by(lambda: to_summary("r1", fetched)) == record


@fuzzed(
    facts=nearly(FACTS).map(as_json)
    | RANGES.map(lambda ranges: as_json({**FACTS, "ranges": ranges}))
    | JSON_VALUES.map(as_json)
    | TEXT,
    cancelled=st.sampled_from([{"BOOL": False}, {"BOOL": "no"}, {"S": "x"}, {}, None]),
)
def test_run_of_a_stranger_can_be_planned_and_shown_or_is_malformed(facts: str, cancelled: object) -> None:
    try:
        found = to_run("r1", {"facts": {"S": facts}, "cancelled": cancelled})
    except MalformedMessage:
        return
    assert 1 <= found.shards <= MOST_SHARDS
    assert 1 <= found.chunk_size <= MOST_TASKS
    assert 0 <= found.count <= LARGEST
    assert 0 <= found.chunk_count <= LARGEST
    assert isinstance(found.cancelled, bool)
    assert datetime.fromtimestamp(found.started, UTC)
    for part in found.ranges:
        assert isinstance(part.pool, str)
        assert part.first >= 0
        assert part.count >= 0
        next(iter(found.chunks(part.pool)), None)
    assert to_run("r1", run_item(found)) == found


@fuzzed(
    counts=st.lists(st.integers(0, 10**6), min_size=1, max_size=2),
    chunk_size=st.integers(1, MOST_TASKS),
    priority=st.sampled_from(Priority),
    started=st.integers(0, 10**10),
    parent=st.sampled_from(["", "r0"]),
)
def test_run_that_was_written_is_read_as_it_was(
    counts: list[int], chunk_size: int, priority: Priority, started: int, parent: str
) -> None:
    names = ["worker", "animoto"][: len(counts)]
    run = Run.plan(
        run_id="r1",
        counts=dict(zip(names, counts, strict=True)),
        chunk_size=chunk_size,
        digest="0" * 64,
        started=float(started),
        parent=parent,
        priority=priority,
    )
    item = run_item(run)
    assert to_run("r1", item) == run
    assert json.loads(item["facts"]["S"])["v"] == 1
    assert all(isinstance(part, PoolRange) for part in run.ranges)
