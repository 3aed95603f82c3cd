"""Converts runs, and the lists of runs, to items of the ledger's table, and back.

    shard           chunk
    run:RUN         0       one run: facts (JSON), cancelled, expires
    runs:YYYY-MM    MOMENT  names a run that started in that month: run, expires

A run's id has no colon, so these keys are never equal to those of chunks (``cloudkon.aws.items``).
"""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cloudkon.aws.items import Item
from cloudkon.errors import MalformedMessage, NewerVersion
from cloudkon.model import PoolRange, Priority, Run
from cloudkon.model.run import MOST_SHARDS, MOST_TASKS_OF_RUN
from cloudkon.wire.fields import LARGEST_NUMBER, field, moment, number, read_object, run_id_in, shown
from cloudkon.wire.message import MOST_TASKS

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

RUN_VERSION = 1
RUN_SECONDS = 90 * 86_400
"""Seconds from a run's start until its item expires. It must outlive the items of its chunks: a message may wait 14
days on a queue, its copy among the dead letters another 14 days, and a chunk's item is kept for 28 days after its last
write. The rest is a reserve for a run that is pushed again."""
_MOST_RANGES = 100
"""Pools that one run may have tasks for."""


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
    optional = {name: getattr(run, name) for name in ("archive_digest", "archive_size", "parent_tasks")}
    facts |= {name: fact for name, fact in optional.items() if fact}
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
            # Nor have they these, which are left out if they are empty.
            archive_digest=field({"archive_digest": "", **facts}, "archive_digest", str),
            archive_size=number({"archive_size": 0, **facts}, "archive_size", 0, LARGEST_NUMBER),
            parent_tasks=field({"parent_tasks": "", **facts}, "parent_tasks", str),
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
