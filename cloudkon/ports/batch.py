"""What every adapter refuses of a batch, before anything is done: these are its caller's bugs."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cloudkon.model import ChunkKey
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.ports.queue import BATCH
from cloudkon.wire.message import MESSAGE_LIMIT

T = TypeVar("T")
_WIDEST = 4
"""Bytes that a character takes at the most."""


def check_messages(count: int) -> None:
    """Raise ``ValueError`` for a batch that is larger than SQS takes."""
    if not 0 <= count <= BATCH:
        raise ValueError(f"a batch of {count} messages: SQS takes up to {BATCH}")


def check_body(body: str) -> None:
    """Raise ``ValueError`` for a body that no message can carry."""
    if len(body) * _WIDEST > MESSAGE_LIMIT and (size := len(body.encode(errors="replace"))) > MESSAGE_LIMIT:
        raise ValueError(f"a message of {size:,} bytes: SQS takes {MESSAGE_LIMIT:,}")


def check_chunks(keys: Sequence[ChunkKey]) -> None:
    """Raise ``ValueError`` for more chunks than a batch takes, and for one twice: DynamoDB would reject them all."""
    if len(keys) > STATEMENTS:
        raise ValueError(f"a batch of {len(keys)} statements: DynamoDB takes up to {STATEMENTS}")
    items = {(key.partition, key.number) for key in keys}
    if len(items) < len(keys):
        raise ValueError("a batch names a chunk twice: " + ", ".join(str(key) for key in keys))


def batched(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into slices of at most ``size`` entries."""
    for start in range(0, len(entries), size):
        yield entries[start : start + size]
