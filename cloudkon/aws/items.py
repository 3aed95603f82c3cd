"""Converts records and runs to items of the ledger's table, and back.

    shard           chunk   state owner attempt lease_end tasks progress succeeded failed cancelled expires
    RUN#SHARD       NUMBER  one chunk's record
    run:RUN         0       one run: facts (JSON), cancelled, expires
    runs:YYYY-MM    MOMENT  names a run that started in that month: run, expires

A run's id has no colon, so keys of different kinds are never equal. The counts repeat what is in the packed progress,
for people and queries that can't unpack it. ``expires`` is the table's TTL attribute.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloudkon.errors import MalformedMessage
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, PoolRange, Priority, Run, TaskState
from cloudkon.wire.fields import field, number, read_object
from cloudkon.wire.progress import decode_progress, encode_progress, summarise_progress

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Item = Mapping[str, Any]

RUN_VERSION = 1
RUN_SECONDS = 90 * 86_400
"""Seconds from a run's start until its item expires. It must outlive the items of its chunks: a message may wait 14
days on a queue and 14 days on the dead-letter queue, and a chunk's item is kept for 28 days after its last write. The
rest is a reserve for a run that is pushed again."""


def key_values(key: ChunkKey) -> list["AttributeValueTypeDef"]:
    """Return a chunk's key as the parameters ``shard`` and ``chunk``."""
    return [{"S": key.partition}, {"N": str(key.number)}]


def content_values(record: ChunkRecord) -> list["AttributeValueTypeDef"]:
    """Return a record's attributes as parameters, in the order of ``CONTENT``."""
    progress = record.progress
    states = [result.state for result in progress.results]
    return [
        {"S": str(record.state)},
        {"S": record.owner},
        {"N": str(record.attempt)},
        {"N": str(record.lease_end)},
        {"N": str(record.tasks)},
        {"B": encode_progress(progress)},
        {"N": str(states.count(TaskState.SUCCEEDED))},
        {"N": str(states.count(TaskState.FAILED))},
        {"N": str(states.count(TaskState.CANCELLED))},
        {"N": str(record.expires)},
    ]


CONTENT = (
    "state",
    "owner",
    "attempt",
    "lease_end",
    "tasks",
    "progress",
    "succeeded",
    "failed",
    "cancelled",
    "expires",
)
"""The attributes of a record besides its key."""


def to_record(key: ChunkKey, item: Item) -> ChunkRecord:
    """Read a chunk's item, or raise ``MalformedMessage``."""
    try:
        return ChunkRecord(
            key=key,
            state=ChunkState(item["state"]["S"]),
            owner=item["owner"]["S"],
            attempt=int(item["attempt"]["N"]),
            lease_end=int(item["lease_end"]["N"]),
            tasks=int(item["tasks"]["N"]),
            progress=decode_progress(key.run, item["progress"]["B"]),
            expires=int(item["expires"]["N"]),
        )
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"the ledger's item of chunk {key} can't be read: {error!r}") from error


SUMMARY_ATTRIBUTES = ("chunk", "state", "lease_end", "tasks", "progress")
"""The attributes that a summary needs."""


def to_summary(run: str, item: Item) -> ChunkSummary:
    """Summarise a chunk's item, or raise ``MalformedMessage``."""
    try:
        states, lowest, highest, first, last, busy = summarise_progress(run, item["progress"]["B"])
        return ChunkSummary(
            number=chunk_number(item),
            state=ChunkState(item["state"]["S"]),
            lease_end=int(item["lease_end"]["N"]),
            tasks=int(item["tasks"]["N"]),
            succeeded=states[TaskState.SUCCEEDED],
            failed=states[TaskState.FAILED],
            cancelled=states[TaskState.CANCELLED],
            first_start=first,
            last_end=last,
            busy_seconds=busy,
            lowest=lowest,
            highest=highest,
        )
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"an item of run {run} in the ledger can't be read: {error!r}") from error


def chunk_number(item: Item) -> int:
    """Return the number of an item's chunk."""
    return int(item["chunk"]["N"])


def run_key(run_id: str) -> dict[str, "AttributeValueTypeDef"]:
    """Return the key of a run's item."""
    return {"shard": {"S": f"run:{run_id}"}, "chunk": {"N": "0"}}


def months(now: float) -> Iterator[str]:
    """Iterate over the partitions that may list runs at ``now`` (epoch seconds), the latest month first."""
    # The clock of the program that pushed a run may be ahead of ours, so start a day later.
    moment = datetime.fromtimestamp(now + 86_400, UTC)
    oldest = datetime.fromtimestamp(now - RUN_SECONDS, UTC)
    while (moment.year, moment.month) >= (oldest.year, oldest.month):
        yield _month(moment)
        moment = moment.replace(day=1) - timedelta(days=1)


def entry_item(run: Run) -> dict[str, "AttributeValueTypeDef"]:
    """Return a run's entry in the list of its month. It is always the same for a run, and its key is unique.

    Its number is the start in milliseconds and 32 bits of the id, so that runs of the same millisecond differ.
    """
    moment = datetime.fromtimestamp(run.started, UTC)
    number = (int(run.started * 1000) << 32) + zlib.crc32(run.id.encode())
    return {
        "shard": {"S": _month(moment)},
        "chunk": {"N": str(number)},
        "run": {"S": run.id},
        "expires": {"N": str(int(run.started) + RUN_SECONDS)},
    }


def _month(moment: datetime) -> str:
    return f"runs:{moment:%Y-%m}"


def run_item(run: Run) -> dict[str, "AttributeValueTypeDef"]:
    """Return a run's item."""
    facts = {
        "v": RUN_VERSION,
        "chunk_size": run.chunk_size,
        "shards": run.shards,
        "digest": run.digest,
        "ranges": [[part.pool, part.first, part.count] for part in run.ranges],
        "started": run.started,
        "parent": run.parent,
        "priority": str(run.priority),
        "archive_digest": run.archive_digest,
        "archive_size": run.archive_size,
        "parent_tasks": run.parent_tasks,
    }
    return {
        **run_key(run.id),
        "facts": {"S": json.dumps(facts, separators=(",", ":"))},
        "cancelled": {"BOOL": run.cancelled},
        "expires": {"N": str(int(run.started) + RUN_SECONDS)},
    }


def to_run(run_id: str, item: Item) -> Run:
    """Read a run's item, or raise ``MalformedMessage``."""
    try:
        facts = read_object(item["facts"]["S"], f"the ledger's item of run {run_id}", RUN_VERSION)
        return Run(
            id=run_id,
            chunk_size=number(facts, "chunk_size", 1),
            shards=number(facts, "shards", 1),
            digest=field(facts, "digest", str),
            ranges=tuple(PoolRange(pool, first, count) for pool, first, count in field(facts, "ranges", list)),
            started=float(str(facts["started"])),
            parent=field(facts, "parent", str),
            cancelled=item["cancelled"]["BOOL"],
            # Runs from before priorities existed have none.
            priority=Priority(str(facts.get("priority", Priority.NORMAL))),
            # Nor have they these.
            archive_digest=str(facts.get("archive_digest", "")),
            archive_size=number({"archive_size": 0, **facts}, "archive_size"),
            parent_tasks=str(facts.get("parent_tasks", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedMessage(f"the ledger's item of run {run_id} can't be read: {error!r}") from error
