"""Converts chunk records to items of the ledger's table, and back.

    shard           chunk   state owner attempt lease_end tasks digest progress succeeded failed cancelled expires
    RUN#SHARD       NUMBER  one chunk's record

``cloudkon.aws.run_items`` defines the table's other items. The counts repeat what is in the packed progress, for people
and queries that can't unpack it. ``expires`` is the table's TTL attribute. Items of earlier versions have no
``digest``, and earlier versions leave it as it is.

Workers, and readers that want a record or only its summary, all read an item by ``_content``: each attribute has its
type and its bounds there, so that an item is right for all of them or for none.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from cloudkon.errors import MalformedMessage
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, ChunkSummary, TaskState
from cloudkon.model.chunk_record import RELEASED_LEASE_END
from cloudkon.wire.fields import LARGEST_NUMBER, LATEST, MOST_ATTEMPTS
from cloudkon.wire.message import MOST_TASKS
from cloudkon.wire.progress import decode_progress, encode_progress, summarise_progress

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Item = Mapping[str, Any]

NO_CHUNK = -1
"""Stands for a sort key that is not the number of a chunk."""


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


SUMMARY_ATTRIBUTES = ("chunk", "state", "owner", "attempt", "lease_end", "tasks", "digest", "progress", "expires")
"""The attributes that are read of a record: a summary is refused for the same ones as the record. The counts are not
read, and a query has the key's other part already."""
_BOUNDS: Final = {
    "chunk": (0, LARGEST_NUMBER),
    "attempt": (0, MOST_ATTEMPTS),
    "lease_end": (RELEASED_LEASE_END, LATEST * 1000),
    "tasks": (1, MOST_TASKS),
    "expires": (0, LATEST),
}
"""The least and the greatest value of each attribute that is a number."""
_LONGEST_TEXT: Final = 256
"""Characters of an attribute that is a string; ours have up to 20. A worker sends the owner back in a condition, in one
request with those of 24 other chunks, and DynamoDB limits a request's size."""
_STATES: Final = {str(state): state for state in ChunkState}


_Content = tuple[ChunkState, str, int, int, int, str, bytes, int]
"""A record's attributes, each of them checked but for the packed progress: state, owner, attempt, lease end, tasks,
digest, progress, and when it expires."""


def to_record(key: ChunkKey, item: Item) -> ChunkRecord:
    """Read a chunk's item, or raise ``MalformedMessage``."""
    try:
        state, owner, attempt, lease_end, tasks, digest, packed, expires = _content(item)
        progress = decode_progress(key.run, packed)
    except MalformedMessage as error:
        raise _unreadable(key.run, key.number, error) from error
    return ChunkRecord(
        key=key,
        state=state,
        owner=owner,
        attempt=attempt,
        lease_end=lease_end,
        tasks=tasks,
        progress=progress,
        expires=expires,
        digest=digest,
    )


def to_summary(run: str, item: Item) -> ChunkSummary:
    """Summarise a chunk's item, or raise ``MalformedMessage`` for every item that ``to_record`` refuses."""
    try:
        chunk = whole_number(item, "chunk")
        state, _, _, lease_end, tasks, _, packed, _ = _content(item)
        summary = summarise_progress(run, packed)
    except MalformedMessage as error:
        raise _unreadable(run, chunk_number(item), error) from error
    return ChunkSummary(chunk, state, lease_end, tasks, *summary)


def _content(item: Item) -> _Content:
    """Read the attributes of a record, for whichever use: so an item is right for all readers, or for none."""
    state = _STATES.get(text := _text(item, "state"))
    if state is None:
        raise MalformedMessage(f"attribute 'state' is {text!r:.60}, not {' or '.join(_STATES)}")
    progress = _attribute(item, "progress", "B")
    if type(progress) is not bytes:
        raise _wrong(item, "progress", "binary")
    return (
        state,
        _text(item, "owner"),
        whole_number(item, "attempt"),
        whole_number(item, "lease_end"),
        whole_number(item, "tasks"),
        _text(item, "digest") if "digest" in item else "",
        progress,
        whole_number(item, "expires"),
    )


def _unreadable(run: str, chunk: int, error: MalformedMessage) -> MalformedMessage:
    return type(error)(f"the ledger's item of chunk {run}#{chunk} can't be read: {error}")


def _attribute(item: Item, name: str, kind: str) -> Any:  # noqa: ANN401  (JSON)
    """Return the value of an attribute of one of DynamoDB's types, ``None`` for another type or no attribute."""
    try:
        return item[name][kind]
    except (KeyError, TypeError):
        return None


def _wrong(item: Item, name: str, kind: str) -> MalformedMessage:
    return MalformedMessage(f"attribute {name!r} is {f'not {kind}' if name in item else 'missing'}")


def _text(item: Item, name: str) -> str:
    text = _attribute(item, name, "S")
    if type(text) is not str:
        raise _wrong(item, name, "a string")
    if len(text) > _LONGEST_TEXT:
        raise MalformedMessage(f"attribute {name!r} has {len(text):,} characters, more than {_LONGEST_TEXT}")
    return text


def whole_number(item: Item, name: str) -> int:
    """Return an attribute that is a whole number within its bounds, or raise ``MalformedMessage``."""
    text, (least, most) = _attribute(item, name, "N"), _BOUNDS[name]
    if type(text) is not str:
        raise _wrong(item, name, "a number")
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    # ``int`` takes more than DynamoDB writes: signs, spaces, underscores, digits of all scripts.
    if not least <= number <= most or str(number) != text:
        raise MalformedMessage(f"attribute {name!r} is {text!r:.60}, not {least} to {most:,}")
    return number


def chunk_number(item: Item) -> int:
    """Return the number of an item's chunk; ``NO_CHUNK`` for a key that no version of CloudKon wrote."""
    try:
        return whole_number(item, "chunk")
    except MalformedMessage:
        return NO_CHUNK


def chunk_position(item: Item) -> int:
    """Return a number that is not above an item's sort key, and no other whole number lies between.

    DynamoDB's numbers may have fractions and 126 digits.
    """
    return int(min(max(Decimal(item["chunk"]["N"]), Decimal(NO_CHUNK)), Decimal(10**19)))
