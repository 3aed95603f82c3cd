"""Converts records and runs to items of the ledger's table, and back.

    shard           chunk   state owner attempt lease_end tasks digest progress succeeded failed cancelled expires
    RUN#SHARD       NUMBER  one chunk's record
    run:RUN         0       one run: facts (JSON), cancelled, expires
    runs:YYYY-MM    MOMENT  names a run that started in that month: run, expires

A run's id has no colon, so keys of different kinds are never equal. The counts repeat what is in the packed progress,
for people and queries that can't unpack it. ``expires`` is the table's TTL attribute. Items of earlier versions have no
``digest``, and earlier versions leave it as it is. Every number is read by ``whole_number``, with its bounds.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cloudkon.errors import MalformedMessage, NewerVersion
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, PoolRange, Priority, Run, TaskState
from cloudkon.model.chunk_record import RELEASED_LEASE_END
from cloudkon.model.run import MOST_SHARDS, MOST_TASKS_OF_RUN
from cloudkon.wire.fields import (
    LARGEST_NUMBER,
    LATEST,
    MOST_ATTEMPTS,
    field,
    moment,
    number,
    read_object,
    run_id_in,
    shown,
)
from cloudkon.wire.message import MOST_TASKS
from cloudkon.wire.progress import decode_progress, encode_progress, summarise_progress

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Item = Mapping[str, Any]

RUN_VERSION = 1
RUN_SECONDS = 90 * 86_400
"""Seconds from a run's start until its item expires. It must outlive the items of its chunks: a message may wait 14
days on a queue and 14 days on the dead-letter queue, and a chunk's item is kept for 28 days after its last write. The
rest is a reserve for a run that is pushed again."""
_MOST_RANGES = 100
"""Pools that one run may have tasks for."""
_WHOLE = re.compile("0|[1-9][0-9]{0,18}")
"""A whole number as DynamoDB writes it, at most of 63 bits or so."""


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
        {"S": record.digest},
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
    "digest",
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
            attempt=whole_number(item, "attempt", 0, MOST_ATTEMPTS),
            lease_end=whole_number(item, "lease_end", RELEASED_LEASE_END, LATEST * 1000),
            tasks=whole_number(item, "tasks", 1, MOST_TASKS),
            progress=decode_progress(key.run, item["progress"]["B"]),
            expires=whole_number(item, "expires", 0, LATEST),
            digest=item.get("digest", {"S": ""})["S"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedMessage(f"the ledger's item of chunk {key} can't be read: {error!r}") from error
    except MalformedMessage as error:
        raise type(error)(f"the ledger's item of chunk {key} can't be read: {error}") from error


def whole_number(item: Item, name: str, least: int, most: int) -> int:
    """Return an attribute that is a whole number from ``least`` to ``most``, or raise ``MalformedMessage``."""
    text = item[name]["N"]
    # ``int`` takes more than DynamoDB writes: signs, spaces, underscores, digits of all scripts.
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise MalformedMessage(f"attribute {name!r} is {text!r:.60}, not {least} to {most:,}")
    return int(text)


SUMMARY_ATTRIBUTES = ("chunk", "state", "lease_end", "tasks", "progress")
"""The attributes that a summary needs."""


def to_summary(run: str, item: Item) -> ChunkSummary:
    """Summarise a chunk's item, or raise ``MalformedMessage``."""
    try:
        states, first, last, busy = summarise_progress(run, item["progress"]["B"])
        return ChunkSummary(
            number=whole_number(item, "chunk", 0, LARGEST_NUMBER),
            state=ChunkState(item["state"]["S"]),
            lease_end=whole_number(item, "lease_end", RELEASED_LEASE_END, LATEST * 1000),
            tasks=whole_number(item, "tasks", 1, MOST_TASKS),
            succeeded=states[TaskState.SUCCEEDED],
            failed=states[TaskState.FAILED],
            cancelled=states[TaskState.CANCELLED],
            first_start=first,
            last_end=last,
            busy_seconds=busy,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedMessage(f"an item of run {run} in the ledger can't be read: {error!r}") from error


def chunk_number(item: Item) -> int:
    """Return the number of an item's chunk, also of an item whose key no version of CloudKon wrote.

    DynamoDB's numbers may have fractions and 126 digits; what is not a chunk's number is rounded to a number near it.
    """
    text = item["chunk"]["N"]
    if _WHOLE.fullmatch(text):
        return int(text)
    return int(min(max(Decimal(text), Decimal(-1)), Decimal(10**19)))


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
    }
    return {
        **run_key(run.id),
        "facts": {"S": json.dumps(facts, separators=(",", ":"))},
        "cancelled": {"BOOL": run.cancelled},
        "expires": {"N": str(int(run.started) + RUN_SECONDS)},
    }


def to_run(run_id: str, item: Item) -> Run:
    """Read a run's item, or raise ``MalformedMessage``."""
    what = f"the ledger's item of run {run_id}"
    try:
        facts = read_object(item["facts"]["S"], what, RUN_VERSION)
        return Run(
            id=run_id,
            chunk_size=number(facts, "chunk_size", 1, MOST_TASKS),
            shards=number(facts, "shards", 1, MOST_SHARDS),
            digest=field(facts, "digest", str),
            ranges=_to_ranges(field(facts, "ranges", list)),
            started=moment(facts, "started"),
            parent=run_id_in(facts, "parent") if facts.get("parent") != "" else "",
            cancelled=field(item["cancelled"], "BOOL", bool),
            # Runs from before priorities existed have none.
            priority=Priority(field({"priority": Priority.NORMAL, **facts}, "priority", str)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedMessage(f"{what} can't be read: {error!r}") from error
    except NewerVersion:
        raise
    except MalformedMessage as error:
        raise MalformedMessage(f"{what} can't be read: {error}") from error


def _to_ranges(rows: list[object]) -> tuple[PoolRange, ...]:
    """Read the ranges of a run. They follow each other without a gap, so that its tasks are 0 … its count - 1."""
    if len(rows) > _MOST_RANGES:
        raise MalformedMessage(f"field 'ranges' has {len(rows):,} pools, more than {_MOST_RANGES}")
    ranges, first = [], 0
    for row in rows:
        pool, begin, count = row if isinstance(row, list) and len(row) == len(PoolRange.__slots__) else (None, 0, 0)
        if type(pool) is not str or type(begin) is not int or type(count) is not int:
            raise MalformedMessage(f"field 'ranges' has {shown(row)}, not [POOL, FIRST, COUNT]")
        if begin != first or not 0 <= count <= MOST_TASKS_OF_RUN - first:
            raise MalformedMessage(
                f"field 'ranges' has {count} tasks of pool {pool!r:.60} from task {begin} on, not 0 to"
                f" {MOST_TASKS_OF_RUN - first:,} from task {first:,} on"
            )
        ranges.append(PoolRange(pool, begin, count))
        first += count
    return tuple(ranges)
