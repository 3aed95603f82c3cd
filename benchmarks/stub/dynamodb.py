"""Implements the DynamoDB operations that the ledger and the naive worker call, with the units that they consume."""

import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.stub.errors import ServiceError
from benchmarks.stub.partiql import Statement, Value, holds, parse

Item = dict[str, Value]
Key = tuple[str, ...]
_WRITE_BYTES: Final = 1024
_READ_BYTES: Final = 4096
_PAGE_BYTES: Final = 1_048_576
"""Bytes of items after which a query ends, whichever attributes it asks for (DynamoDB API reference, ``Query``)."""
_KEY_CONDITIONS: Final = ("#shard = :shard", "#shard = :shard AND chunk >= :first")
_FALSE: Final = "The conditional request failed"


@dataclass(slots=True)
class StubTable:
    """One table: the attributes of its key, and its items by partition and then by the whole key."""

    key: tuple[str, ...]
    partitions: dict[str, dict[Key, Item]] = field(default_factory=dict)

    def key_of(self, item: Item) -> Key:
        """The values of an item's key."""
        return tuple(next(iter(item[name].values())) for name in self.key)

    def get(self, key: Key) -> Item | None:
        """Return an item."""
        return self.partitions.get(key[0], {}).get(key)

    def put(self, item: Item) -> None:
        """Write an item and replace any existing one."""
        key = self.key_of(item)
        self.partitions.setdefault(key[0], {})[key] = item


class DynamoDb:
    """All tables. Each operation accepts a request's fields and returns the response's."""

    def __init__(self) -> None:
        """Start without tables."""
        self.tables: dict[str, StubTable] = {}
        self.writes = 0
        """Write request units consumed: one for each KiB of an item written or refused by its condition."""
        self.reads = 0.0
        """Read request units consumed: one for each 4 KiB of a strongly consistent read, half of that otherwise."""
        self.operations: dict[str, Callable[[Any], Awaitable[dict[str, Any]]]] = {
            "BatchExecuteStatement": self._batch,
            "CreateTable": self._create,
            "DeleteTable": self._delete_table,
            "GetItem": self._get,
            "PutItem": self._put,
            "Query": self._query,
            "UpdateItem": self._update,
        }

    def _find(self, name: str) -> StubTable:
        if name not in self.tables:
            raise ServiceError(
                "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "Requested resource not found"
            )
        return self.tables[name]

    async def _create(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        names = tuple(part["AttributeName"] for part in asked["KeySchema"])
        self.tables[asked["TableName"]] = StubTable(names)
        return {"TableDescription": {"TableName": asked["TableName"], "TableStatus": "ACTIVE"}}

    async def _delete_table(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        self.tables.pop(asked["TableName"], None)
        return {"TableDescription": {"TableName": asked["TableName"], "TableStatus": "DELETING"}}

    async def _get(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        table = self._find(asked["TableName"])
        item = table.get(table.key_of(asked["Key"]))
        self._read(item, strongly=bool(asked.get("ConsistentRead")))
        return {} if item is None else {"Item": item}

    async def _put(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        table = self._find(asked["TableName"])
        self._write(asked["Item"])
        condition = asked.get("ConditionExpression", "")
        if condition and not condition.startswith("attribute_not_exists("):
            raise ServiceError("ValidationException", f"the stub doesn't know this condition: {condition}")
        if condition and table.get(table.key_of(asked["Item"])) is not None:
            raise ServiceError("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", _FALSE)
        table.put(asked["Item"])
        return {}

    async def _update(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        """Update an item; only the update that cancels a run is supported."""
        table = self._find(asked["TableName"])
        item = table.get(table.key_of(asked["Key"]))
        if asked["UpdateExpression"] != "SET cancelled = :true":
            raise ServiceError("ValidationException", f"the stub doesn't know this update: {asked['UpdateExpression']}")
        if item is None:
            raise ServiceError("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", _FALSE)
        item["cancelled"] = asked["ExpressionAttributeValues"][":true"]
        self._write(item)
        return {}

    async def _query(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        """Query a partition, from a chunk number on if given, in ascending or descending order."""
        table = self._find(asked["TableName"])
        condition, values = asked["KeyConditionExpression"], asked["ExpressionAttributeValues"]
        if condition not in _KEY_CONDITIONS:
            raise ServiceError("ValidationException", f"the stub doesn't know this condition: {condition}")
        forward = asked.get("ScanIndexForward", True)

        def number(item: Item) -> int:
            return int(item[table.key[1]]["N"]) * (1 if forward else -1)

        items = sorted(table.partitions.get(values[":shard"]["S"], {}).values(), key=number)
        if ":first" in values:
            items = [item for item in items if int(item[table.key[1]]["N"]) >= int(values[":first"]["N"])]
        if start := asked.get("ExclusiveStartKey"):
            items = [item for item in items if number(item) > number(start)]
        page = items[: _first_megabyte(items)][: asked.get("Limit", len(items))]
        for item in page:
            self._read(item, strongly=bool(asked.get("ConsistentRead")))
        answer: dict[str, Any] = {"Items": page, "Count": len(page)}
        if len(items) > len(page):
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in table.key}
        return answer

    async def _batch(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        bound = [(one, parse(one["Statement"])) for one in asked["Statements"]]
        keys = [(statement.table, *self._key(statement, one["Parameters"])) for one, statement in bound]
        if len(set(keys)) < len(keys):
            raise ServiceError("ValidationException", "Provided list of item keys contains duplicates")
        return {"Responses": [self._execute(statement, one["Parameters"]) for one, statement in bound]}

    def _key(self, statement: Statement, parameters: list[Value]) -> Key:
        values, conditions = statement.bind(parameters)
        table = self._find(statement.table)
        return table.key_of(values or {}) if statement.kind == "INSERT" else _wanted_key(table, conditions)

    def _execute(self, statement: Statement, parameters: list[Value]) -> dict[str, Any]:
        table = self._find(statement.table)
        values, conditions = statement.bind(parameters)
        if statement.kind == "SELECT":
            item = table.get(_wanted_key(table, conditions))
            self._read(item, strongly=True)
            return {"TableName": statement.table} if item is None else {"TableName": statement.table, "Item": item}
        self._write(values)
        if statement.kind == "INSERT":
            if table.get(table.key_of(values)) is not None:
                return _failed("DuplicateItem", "Duplicate primary key exists in table")
            table.put(values)
            return {"TableName": statement.table}
        item = table.get(_wanted_key(table, conditions))
        if item is None or not all(holds(item.get(name), sign, value) for name, sign, value in conditions):
            return _failed("ConditionalCheckFailed", _FALSE)
        item.update(values)
        return {"TableName": statement.table}

    def _write(self, item: Item) -> None:
        self.writes += math.ceil(_size(item) / _WRITE_BYTES)

    def _read(self, item: Item | None, *, strongly: bool) -> None:
        self.reads += math.ceil(max(1, _size(item or {})) / _READ_BYTES) * (1.0 if strongly else 0.5)


def _first_megabyte(items: list[Item]) -> int:
    """The number of items that one response contains."""
    size = 0
    for count, item in enumerate(items, start=1):
        size += _size(item)
        if size > _PAGE_BYTES:
            return count
    return len(items)


def _wanted_key(table: StubTable, conditions: list[tuple[str, str, Value]]) -> Key:
    given = {name: value for name, sign, value in conditions if sign == "="}
    return table.key_of(given)


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}}


def _size(item: Item) -> int:
    """An item's approximate bytes: names and values; binary values take three quarters of their base64."""
    total = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        length = len(value) if isinstance(value, str) else len(json.dumps(value))
        total += len(name) + (length * 3 // 4 if kind == "B" else length)
    return total
