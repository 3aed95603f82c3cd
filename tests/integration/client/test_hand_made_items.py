"""Items that other programs wrote into the ledger's table spoil neither a run nor the list of runs."""

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import trio
from botocore.config import Config

from client.records.run_records import MOST_NAMED
from cloudkon.aws.items import CONTENT, content_values
from cloudkon.aws.run_items import entry_item, run_item
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress, Result, Run, TaskId, TaskState
from tests.integration.client.client_process import DEADLINE, Client, complete_chunks, receive_all

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FACTS = {
    "v": 1,
    "chunk_size": 1,
    "shards": 1,
    "digest": "",
    "ranges": [["worker", 0, 3]],
    "started": 1.8e9,
    "parent": "",
    "priority": "normal",
}
ODD_FACTS: dict[str, dict[str, object]] = {
    "negative-size": {"chunk_size": -1},
    "size-0": {"chunk_size": 0},
    "text-size": {"chunk_size": "10"},
    "many-tasks": {"ranges": [["worker", 0, 10**15]]},
    "negative-tasks": {"ranges": [["worker", 0, -3]]},
    "gap": {"ranges": [["worker", 5, 3]]},
    "short-range": {"ranges": [["worker"]]},
    "no-list": {"ranges": 3},
    "many-shards": {"shards": 10**9},
    "started": {"started": 1e308},
    "text-start": {"started": "now"},
    "parent": {"parent": "../.."},
    "priority": {"priority": "urgent"},
    "digest": {"digest": None},
    "archive": {"archive_size": -1},
    "parents": {"parent_tasks": 3},
}


def table(client: Client) -> "DynamoDBClient":
    return boto3.client(
        "dynamodb",
        endpoint_url=client.settings.endpoint_url,
        region_name=client.settings.region,
        aws_access_key_id="cloudkon",
        aws_secret_access_key="cloudkon",
        config=Config(proxies={}),
    )


def put(client: Client, item: dict[str, Any]) -> None:
    table(client).put_item(TableName=client.settings.ledger_table, Item=item)


def put_run(client: Client, run_id: str, facts: str | None) -> None:
    """Write a run's item and its entry in the list."""
    run = Run.plan(run_id=run_id, counts={"worker": 3}, chunk_size=1, digest="", started=round(time.time(), 3))
    item = run_item(run)
    put(client, entry_item(run))
    put(client, {**item, "facts": {"S": facts}} if facts is not None else {"shard": item["shard"], "chunk": {"N": "0"}})


def put_chunk(client: Client, run: str, number: str, seqs: range, **other: dict[str, object]) -> None:
    results = tuple(Result(TaskId(run, seq), TaskState.FAILED, error="forged") for seq in seqs)
    record = ChunkRecord(ChunkKey(run, 0, 1), ChunkState.DONE, "o", 1, 0, len(seqs), Progress(results), int(2e9))
    content = dict(zip(CONTENT, content_values(record), strict=True))
    put(client, {"shard": {"S": f"{run}#0"}, "chunk": {"N": number}, **content, **other})


def output_of(client: Client, *words: str) -> tuple[int, str, str]:
    with client.start(*words) as process:
        stdout, stderr = process.communicate(timeout=DEADLINE)
    assert "Traceback" not in stderr
    return process.returncode, stdout, stderr


def test_hand_made_runs_are_named_and_spoil_no_other(client: Client) -> None:
    client.write_workload(3)
    run_id = client.run("push").strip()
    trio.run(complete, client)
    for name, facts in ODD_FACTS.items():
        put_run(client, name, json.dumps(FACTS | facts))
    put_run(client, "empty", None)
    put_run(client, "no-json", "{")
    put_run(client, "list", "[]")
    for command in ("runs", "status"):
        code, stdout, stderr = output_of(client, command)
        assert code == 0
        assert f"{run_id} " in stdout
        assert all(name in stderr for name in (*ODD_FACTS, "empty", "no-json", "list"))
    for name in ("many-shards", "empty"):
        for command in ("check", "retry"):
            code, _, stderr = output_of(client, command, name)
            assert code == 1
            assert f"the ledger's item of run {name} can't be read" in stderr


async def complete(client: Client) -> None:
    await complete_chunks(client.services.ledger, await receive_all(client.services.queues["worker"]))


DAMAGES: list[dict[str, dict[str, object]]] = [
    {"tasks": {"N": "1e30"}},
    {"lease_end": {"N": "0.5"}},
    {"state": {"S": "LOST"}},
    {"progress": {"B": b"junk"}},
    {"progress": {"S": "junk"}},
]


def test_hand_made_chunks_are_named_and_the_others_counted(client: Client) -> None:
    count = len(DAMAGES) + 3
    client.write_workload(count)
    run_id = client.run("push").strip()
    trio.run(complete, client)
    for number, damage in enumerate(DAMAGES):
        put_chunk(client, run_id, str(number), range(number, number + 1), **damage)
    strangers = ("999", "6.5", "1e30")
    for key in strangers:
        put_chunk(client, run_id, key, range(6, 7))
    code, stdout, stderr = output_of(client, "check", "--json", run_id)
    counts = json.loads(stdout)
    assert (code, counts["succeeded"], counts["failed"]) == (1, 3, 0)
    assert (counts["unknown"], counts["waiting"]) == (len(DAMAGES), 0)
    assert f"item {run_id}#0 0 is not counted" in stderr
    assert f"{len(DAMAGES) + len(strangers) - MOST_NAMED} more items are not counted" in stderr
    code, stdout, stderr = output_of(client, "results", "--json", run_id)
    assert [json.loads(line)["task"] for line in stdout.splitlines()] == [f"{run_id}/{seq}" for seq in (5, 6, 7)]
    assert f"the state of {len(DAMAGES)} tasks is unknown" in stderr
