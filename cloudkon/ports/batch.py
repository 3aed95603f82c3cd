"""Cuts sequences into batches, and checks the limits of a batch, which every adapter does before a call.

A batch over a limit is a bug of the caller, hence ``ValueError``.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cloudkon.model import ChunkKey
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.ports.queue import BATCH
from cloudkon.wire.message import MESSAGE_LIMIT

T = TypeVar("T")
_MAX_WIDTH = 4
"""The most bytes of one character in UTF-8."""


def check_messages(count: int) -> None:
    """Raise ``ValueError`` for more messages than SQS accepts in one call."""
    if not 0 <= count <= BATCH:
        raise ValueError(f"a batch of {count} messages: SQS accepts up to {BATCH}")


def check_body(body: str) -> None:
    """Raise ``ValueError`` for a body that is too long for a message."""
    if len(body) * _MAX_WIDTH > MESSAGE_LIMIT and (size := len(body.encode(errors="replace"))) > MESSAGE_LIMIT:
        raise ValueError(f"a message of {size:,} bytes: SQS accepts up to {MESSAGE_LIMIT:,}")


def check_chunks(keys: Sequence[ChunkKey]) -> None:
    """Raise ``ValueError`` for too many chunks, and for a chunk twice: DynamoDB would reject the whole batch."""
    if len(keys) > STATEMENTS:
        raise ValueError(f"a batch of {len(keys)} statements: DynamoDB accepts up to {STATEMENTS}")
    items = {(key.partition, key.number) for key in keys}
    if len(items) < len(keys):
        raise ValueError("a batch names a chunk twice: " + ", ".join(str(key) for key in keys))


def batched(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into slices of at most ``size`` entries."""
    for start in range(0, len(entries), size):
        yield entries[start : start + size]
