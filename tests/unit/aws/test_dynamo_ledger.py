"""The ledger's handling of responses that DynamoDB can give and an emulator can't."""

import json
import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import trio.testing
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY, Stubber

from cloudkon.aws import Connection
from cloudkon.aws.items import CONTENT, content_values, key_values, to_record
from cloudkon.aws.ledger import DynamoLedger
from cloudkon.aws.run_items import RUN_SECONDS, entry_item, months, run_item, run_key, to_run
from cloudkon.aws.statements import write_statement
from cloudkon.aws.table import PAGE_BACKOFF
from cloudkon.errors import AccessDenied, CloudKonError, MalformedMessage, NoFleet, Throttled, Unavailable
from cloudkon.log import Log
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, PoolRange, Run
from cloudkon.ports import Insert, Update, WriteOutcome

WRITTEN, REFUSED, FAILED = WriteOutcome.WRITTEN, WriteOutcome.REFUSED, WriteOutcome.FAILED
SHARDS = 4
RUN = Run("run-1", 10, SHARDS, "d" * 64, (PoolRange("worker", 0, 9), PoolRange("animoto", 9, 2)), 1_800_000_000.1)


def record(number: int = 0) -> ChunkRecord:
    return ChunkRecord(ChunkKey("run-1", number, SHARDS), ChunkState.CLAIMED, "token-a", 2, 1_900_000_000_123, tasks=3)


def item(number: int) -> dict[str, Any]:
    """A record's item, as DynamoDB returns it."""
    shard, chunk = key_values(record(number).key)
    return {**dict(zip(CONTENT, content_values(record(number)), strict=True)), "shard": shard, "chunk": chunk}


@dataclass
class Lines:
    """The lines that were logged."""

    log: Log
    source: int

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in os.read(self.source, 65_536).decode().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    source, target = os.pipe()
    os.set_blocking(source, False)
    yield Lines(Log(descriptor=target), source)
    os.close(source)
    os.close(target)


@pytest.fixture
def ledger(connection: Connection, dynamodb: Stubber, lines: Lines) -> DynamoLedger:
    return DynamoLedger(connection, "unit-ledger", lines.log)


def respond(dynamodb: Stubber, *codes: str) -> None:
    responses = [{"Error": {"Code": code, "Message": "the reason"}} if code else {} for code in codes]
    dynamodb.add_response("batch_execute_statement", {"Responses": responses})


async def test_only_a_false_condition_is_refused(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    respond(
        dynamodb,
        "",
        "ConditionalCheckFailed",
        "DuplicateItem",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "InternalServerError",
        "TransactionConflict",
        "RequestLimitExceeded",
        "ValidationError",
    )
    assert await ledger.write([Insert(record(number)) for number in range(9)]) == [
        WRITTEN,
        REFUSED,
        REFUSED,
        *[FAILED] * 5,
        WriteOutcome.IMPOSSIBLE,
    ]


async def test_statement_without_a_response_is_failed(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    respond(dynamodb, "", "DuplicateItem")
    assert await ledger.write([Insert(record(number)) for number in range(4)]) == [WRITTEN, REFUSED, FAILED, FAILED]


async def test_item_that_is_too_large_is_logged_and_delays_no_other(
    ledger: DynamoLedger, dynamodb: Stubber, lines: Lines
) -> None:
    respond(dynamodb, "ValidationError", "")
    assert await ledger.write([Insert(record(0)), Insert(record(1))]) == [WriteOutcome.IMPOSSIBLE, WRITTEN]
    (line,) = lines.read()
    assert (line["level"], line["chunk"]) == ("error", "run-1#0")
    assert "the reason" in line["reason"]


@pytest.mark.parametrize(("code", "expected"), [("AccessDenied", AccessDenied), ("ResourceNotFound", NoFleet)])
async def test_error_of_every_statement_is_raised(
    ledger: DynamoLedger, dynamodb: Stubber, code: str, expected: type[CloudKonError]
) -> None:
    respond(dynamodb, code, code)
    with pytest.raises(expected):
        await ledger.write([Insert(record(0)), Insert(record(1))])


@pytest.mark.parametrize("codes", [["", "ThrottlingError"], [""]], ids=["throttled", "too few"])
async def test_read_returns_all_records_or_fails(ledger: DynamoLedger, dynamodb: Stubber, codes: list[str]) -> None:
    respond(dynamodb, *codes)
    with pytest.raises(Unavailable):
        await ledger.read([record(0).key, record(1).key])


async def test_throttled_call_raises_throttled(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    dynamodb.add_client_error("batch_execute_statement", "ProvisionedThroughputExceededException")
    with pytest.raises(Throttled):
        await ledger.write([Insert(record())])


async def test_lost_response_raises_unavailable(
    connection: Connection, ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1:9")

    monkeypatch.setattr(connection.client("dynamodb"), "batch_execute_statement", lose)
    with pytest.raises(Unavailable):
        await ledger.write([Insert(record())])


async def test_reads_are_strongly_consistent(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    statement = {
        "Statement": 'SELECT * FROM "unit-ledger" WHERE "shard" = ? AND "chunk" = ?',
        "Parameters": [{"S": "run-1#1"}, {"N": "5"}],
        "ConsistentRead": True,
    }
    dynamodb.add_response("batch_execute_statement", {"Responses": [{}]}, {"Statements": [statement]})
    assert await ledger.read([ChunkKey("run-1", 5, SHARDS)]) == [None]


def test_values_never_become_part_of_a_statement() -> None:
    harmless = record()
    hostile = replace(harmless, key=ChunkKey("a' OR 'b", 7, SHARDS), owner='"; DELETE')
    for make in (Insert, lambda one: Update(one, one.owner, one.attempt, lease_end=one.lease_end)):
        texts = {write_statement("unit-ledger", make(one))["Statement"] for one in (harmless, hostile)}
        assert len(texts) == 1
        assert texts.pop().count("?") == len(write_statement("unit-ledger", make(hostile))["Parameters"])


async def test_create_run_returns_the_existing_run(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    dynamodb.add_response("put_item", {})
    dynamodb.add_client_error("put_item", "ConditionalCheckFailedException")
    dynamodb.add_response("get_item", {"Item": run_item(RUN)})
    assert await ledger.create_run(replace(RUN, digest="e" * 64)) == RUN


async def test_run_that_expires_between_two_calls_is_unavailable(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    dynamodb.add_response("put_item", {})
    dynamodb.add_client_error("put_item", "ConditionalCheckFailedException")
    dynamodb.add_response("get_item", {})
    with pytest.raises(Unavailable, match="run-1"):
        await ledger.create_run(RUN)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
async def test_failed_write_of_a_run_is_unavailable_and_not_a_conflict(
    ledger: DynamoLedger, dynamodb: Stubber, code: str
) -> None:
    dynamodb.add_response("put_item", {})
    dynamodb.add_client_error("put_item", code)
    with pytest.raises(Unavailable):
        await ledger.create_run(RUN)
    dynamodb.add_client_error("update_item", code)
    with pytest.raises(Unavailable):
        await ledger.cancel_run("run-1")


def query(shard: int, first: int = 0) -> dict[str, Any]:
    return {
        "TableName": "unit-ledger",
        "KeyConditionExpression": "#shard = :shard AND chunk >= :first",
        "ExpressionAttributeNames": {"#shard": "shard"},
        "ExpressionAttributeValues": {":shard": {"S": f"run-1#{shard}"}, ":first": {"N": str(first)}},
    }


async def test_records_are_listed_page_by_page_and_shard_by_shard(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    last = {"shard": {"S": "run-1#0"}, "chunk": {"N": "4"}}
    dynamodb.add_response("query", {"Items": [item(0), item(4)], "LastEvaluatedKey": last}, query(0))
    dynamodb.add_response("query", {"Items": [item(8)]}, query(0, 5))
    dynamodb.add_response("query", {"Items": []}, query(1))
    dynamodb.add_response("query", {"Items": [item(2)]}, query(2))
    dynamodb.add_response("query", {"Items": []}, query(3))
    assert [one async for one in ledger.records(RUN)] == [record(number) for number in (0, 4, 8, 2)]


async def test_listing_goes_on_behind_a_page_whose_last_key_is_no_chunks(
    ledger: DynamoLedger, dynamodb: Stubber
) -> None:
    stranger = {**item(0), "chunk": {"N": "4.5"}}
    last = {"shard": {"S": "run-1#0"}, "chunk": {"N": "4.5"}}
    dynamodb.add_response("query", {"Items": [item(0), stranger], "LastEvaluatedKey": last}, query(0))
    dynamodb.add_response("query", {"Items": [item(8)]}, query(0, 5))
    found = [one async for one in ledger.records(replace(RUN, shards=1))]
    assert [(one.key.number, one.readable) for one in found] == [(0, True), (-1, False), (8, True)]


async def test_listing_repeats_throttled_calls(
    ledger: DynamoLedger, dynamodb: Stubber, autojump_clock: trio.testing.MockClock
) -> None:
    run = replace(RUN, shards=1)
    for _ in range(PAGE_BACKOFF.tries - 1):
        dynamodb.add_client_error("query", "ThrottlingException")
    dynamodb.add_response("query", {"Items": [item(0)]})
    assert [one.key.number async for one in ledger.records(run)] == [0]


async def test_listing_gives_up_if_throttling_does_not_end(
    ledger: DynamoLedger, dynamodb: Stubber, autojump_clock: trio.testing.MockClock
) -> None:
    for _ in range(PAGE_BACKOFF.tries):
        dynamodb.add_client_error("query", "ThrottlingException")
    with pytest.raises(Throttled):
        await anext(aiter(ledger.records(RUN)))


def test_run_item_outlives_its_chunks() -> None:
    assert run_item(RUN)["expires"] == {"N": str(int(RUN.started) + RUN_SECONDS)}
    chunk_days = 14 + 14 + 28
    assert chunk_days * 86_400 < RUN_SECONDS


@pytest.mark.parametrize(
    "damage",
    [
        {"facts": {"S": "{}"}},
        {"facts": {"S": "no JSON"}},
        {"facts": {"S": json.dumps({"v": 2})}},
        {"facts": {"N": "1"}},
        {"cancelled": {}},
    ],
    ids=str,
)
def test_damaged_run_is_malformed_and_named(damage: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage, match="run-1"):
        to_run("run-1", {**run_item(RUN), **damage})


def test_run_with_damaged_ranges_is_malformed() -> None:
    facts = json.loads(run_item(RUN)["facts"]["S"])
    for ranges in ([["worker"]], [1], "worker"):
        damaged = {**run_item(RUN), "facts": {"S": json.dumps({**facts, "ranges": ranges})}}
        with pytest.raises(MalformedMessage):
            to_run("run-1", damaged)


@pytest.mark.parametrize(
    "damage",
    [{"state": {"S": "LOST"}}, {"attempt": {"N": "many"}}, {"owner": {"N": "1"}}, {"progress": {"B": b"junk"}}],
    ids=str,
)
def test_damaged_record_is_malformed_and_named(damage: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage, match="run-1"):
        to_record(record().key, {**item(0), **damage})


async def test_item_of_another_version_fails_no_other_chunk(
    ledger: DynamoLedger, dynamodb: Stubber, lines: Lines
) -> None:
    newer = {**item(0), "progress": {"B": zlib.compress(b'{"v": 2}')}}
    dynamodb.add_response("batch_execute_statement", {"Responses": [{"Item": newer}, {"Item": item(1)}]})
    unreadable, readable = await ledger.read([record(0).key, record(1).key])
    assert readable == record(1)
    assert unreadable is not None
    assert not unreadable.readable
    (line,) = lines.read()
    assert (line["action"], line["chunk"]) == ("item-unreadable", "run-1#0")


async def test_run_with_two_list_entries_is_read_once(ledger: DynamoLedger, dynamodb: Stubber) -> None:
    """DynamoDB refuses a batch that names a key twice; not every emulator does."""
    run = replace(RUN, started=round(time.time(), 3))
    # Another push with this run id was refused a second later.
    entries = [entry_item(replace(run, started=run.started + 1)), entry_item(run)]
    dynamodb.add_response("query", {"Items": entries})
    (shard, number) = run_key(run.id).values()
    statement = {"Statement": ANY, "Parameters": [shard, number], "ConsistentRead": True}
    dynamodb.add_response(
        "batch_execute_statement", {"Responses": [{"Item": run_item(run)}]}, {"Statements": [statement]}
    )
    for _ in list(months(time.time()))[1:]:
        dynamodb.add_response("query", {"Items": []})
    assert [one async for one in ledger.runs()] == [run]
