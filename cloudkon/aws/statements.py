"""Builds PartiQL statements for conditional writes and reads.

Every value is a parameter. The texts are few and fixed, so that no user's input ever becomes part of a text. Names are
quoted, because ``state`` and ``owner`` are reserved words of PartiQL.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from cloudkon.aws.items import CONTENT, content_values, key_values
from cloudkon.ports.ledger import Insert, Update, Write

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, BatchStatementRequestTypeDef

_Condition = tuple[str, "AttributeValueTypeDef"]


def write_statement(table: str, write: Write) -> "BatchStatementRequestTypeDef":
    """Return the statement of a conditional write."""
    return _insert(table, write) if isinstance(write, Insert) else _update(table, write)


def read_statement(table: str, key: "Sequence[AttributeValueTypeDef]") -> "BatchStatementRequestTypeDef":
    """Return the statement of a strongly consistent read of the item with that key."""
    return {
        "Statement": f'SELECT * FROM "{table}" WHERE "shard" = ? AND "chunk" = ?',  # noqa: S608  (the table's name is ours)
        "Parameters": key,
        "ConsistentRead": True,
    }


def _insert(table: str, insert: Insert) -> "BatchStatementRequestTypeDef":
    return {
        "Statement": _insert_text(table),
        "Parameters": [*key_values(insert.key), *content_values(insert.record)],
    }


def _update(table: str, update: Update) -> "BatchStatementRequestTypeDef":
    texts, values = zip(*_conditions(update), strict=True)
    return {
        "Statement": _update_text(table, texts),
        "Parameters": [*content_values(update.record), *key_values(update.key), *values],
    }


@cache
def _insert_text(table: str) -> str:
    attributes = ", ".join(f"'{name}': ?" for name in ("shard", "chunk", *CONTENT))
    return f'INSERT INTO "{table}" VALUE {{{attributes}}}'


@cache
def _update_text(table: str, conditions: tuple[str, ...]) -> str:
    changes = " ".join(f'SET "{name}" = ?' for name in CONTENT)
    where = " AND ".join(('"shard" = ?', '"chunk" = ?', *conditions))
    return f'UPDATE "{table}" {changes} WHERE {where}'


def _conditions(update: Update) -> Iterator[_Condition]:
    """The same conditions as ``Update.admits``. Without an item none of them is true, so the update is refused."""
    yield '"owner" = ?', {"S": update.owner}
    yield '"attempt" = ?', {"N": str(update.attempt)}
    if update.state is not None:
        yield '"state" = ?', {"S": str(update.state)}
    if update.lease_end is not None:
        yield '"lease_end" = ?', {"N": str(update.lease_end)}
    if update.lease_not_after is not None:
        yield '"lease_end" <= ?', {"N": str(update.lease_not_after)}
