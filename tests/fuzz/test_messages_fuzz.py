"""Messages and reports from anybody: a value within its bounds that can be sent again, or MalformedMessage."""

import json
import re
from typing import Any

import pytest
from hypothesis import strategies as st

from cloudkon.errors import MalformedMessage
from cloudkon.model import Chunk, PayloadRef
from cloudkon.model.run import MOST_SHARDS
from cloudkon.wire.message import MOST_TASKS, encode_message
from cloudkon.wire.payload import PAYLOAD_LIMIT, decode_payload, encode_payload_ref, make_payload_ref, read_message
from cloudkon.wire.report import decode_report, encode_report
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.hostile_values import ANY_BYTES, ANY_TEXT, JSON_VALUES, TEXT, as_json, nearly, written_twice
from tests.fuzz.wire_values import LARGEST, ROW, ROWS, assert_sound

CHUNK = {"v": 1, "run": "r1", "chunk": 7, "shards": 4, "first": 70, "tasks": ["sleep 1", "sleep 2"]}
REF = {
    "v": 2,
    "run": "r1",
    "chunk": 7,
    "shards": 4,
    "first": 70,
    "count": 10,
    "payload": {"key": "payloads/worker/r1/7.json", "size": 2000, "sha256": "0" * 64},
}
REPORT = {"v": 1, "run": "r1", "results": [ROW]}
BODIES = (
    ANY_TEXT
    | JSON_VALUES.map(as_json)
    | nearly(CHUNK).map(as_json)
    | nearly(REF).map(as_json)
    | st.lists(JSON_VALUES, max_size=3).map(lambda tasks: as_json({**CHUNK, "tasks": tasks}))
    | nearly({"key": "payloads/worker/r1/7.json", "size": 2000, "sha256": "0" * 64}).map(
        lambda payload: as_json({**REF, "payload": payload})
    )
)


@fuzzed(body=BODIES)
def test_message_of_a_stranger_is_a_chunk_that_can_be_sent_again_or_malformed(body: str) -> None:
    try:
        found = read_message(body)
    except MalformedMessage:
        return
    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,31}", found.key.run)
    assert 0 <= found.key.number <= LARGEST
    assert 0 <= found.first <= LARGEST
    assert 1 <= found.key.shards <= MOST_SHARDS
    assert 1 <= len(found) <= MOST_TASKS
    if isinstance(found, PayloadRef):
        assert 1 <= found.size <= PAYLOAD_LIMIT
        assert read_message(encode_payload_ref(found)) == found
    else:
        assert isinstance(found, Chunk)
        assert read_message(encode_message(found)) == found


@fuzzed(name=st.sampled_from(sorted(CHUNK)), value=JSON_VALUES, version=st.sampled_from([1.0, True, "1", [1], None]))
def test_message_with_a_field_twice_or_another_kind_of_version_is_malformed(
    name: str,
    value: Any,  # noqa: ANN401  (JSON)
    version: object,
) -> None:
    with pytest.raises(MalformedMessage):
        read_message(written_twice(name, value, as_json(CHUNK)))
    with pytest.raises(MalformedMessage):
        read_message(as_json({**CHUNK, "v": version}))


@fuzzed(
    tasks=st.lists(TEXT.filter(str.strip), min_size=1, max_size=4), first=st.integers(0, LARGEST // 2), damage=ANY_BYTES
)
def test_payload_is_the_chunk_that_was_stored_or_malformed(tasks: list[str], first: int, damage: bytes) -> None:
    chunk = read_message(as_json({**CHUNK, "first": first, "tasks": tasks}))
    assert isinstance(chunk, Chunk)
    payload = encode_message(chunk).encode()
    ref = make_payload_ref("worker", chunk, payload)
    assert decode_payload(ref, payload) == chunk
    with pytest.raises(MalformedMessage):
        decode_payload(ref, damage)


@fuzzed(
    body=ANY_TEXT
    | JSON_VALUES.map(as_json)
    | nearly(REPORT).map(as_json)
    | ROWS.map(lambda rows: as_json({**REPORT, "results": rows}))
)
def test_report_of_a_stranger_is_results_that_can_be_sent_again_or_malformed(body: str) -> None:
    try:
        found = decode_report(body)
    except MalformedMessage:
        return
    for result in found:
        assert_sound(result)
    run = found[0].task.run if found else "r1"
    again = decode_report(encode_report(run, found))
    assert [result.task for result in again] == [result.task for result in found]


@fuzzed(
    body=st.integers(1, 3).map(lambda depth: "[" * 10**depth) | st.integers(1, 3).map(lambda depth: '{"v":' * 10**depth)
)
def test_message_nested_deeply_is_malformed(body: str) -> None:
    for text in (body, as_json({**CHUNK, "tasks": ["x"]})[:-1] + f',"more":{body}' + "]" * len(body) + "}"):
        try:
            assert isinstance(read_message(text), Chunk)
        except MalformedMessage:
            continue
    with pytest.raises(MalformedMessage):
        decode_report(json.dumps(REPORT)[:-1] + f',"results":{body}')
