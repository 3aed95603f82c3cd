"""The ledger on DynamoDB."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from cloudkon.aws.connection import Connection
from cloudkon.aws.faults import DENIED, MISSING_FLEET, named
from cloudkon.aws.items import Item, chunk_number, key_values, run_item, run_key, to_record, to_run
from cloudkon.aws.statements import read_statement, write_statement
from cloudkon.errors import MalformedMessage, Unavailable
from cloudkon.log import Log
from cloudkon.ports.batch import check_chunks
from cloudkon.ports.ledger import Write, WriteOutcome
from cloudkon.words import ChunkKey, ChunkState, Record, Run
from cloudkon.words.record import NO_OWNER

if TYPE_CHECKING:  # the stubs are there for development only
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

REFUSED = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem"})
"""Codes by which DynamoDB says that a condition was false: its batches' name for it, and its single calls'."""
HOPELESS = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError", "ValidationException"})
"""Codes of a statement that will fail again however often it is sent."""
PAGE_TRIES = 8
"""How often a page is asked for until a reading gives up: 12 s of waits in all."""
_FIRST_WAIT = 0.1
"""Seconds before the second try, doubled for each further one."""
_NAMES = {"#shard": "shard"}
"""``shard`` is a reserved word of DynamoDB's expressions."""


class DynamoLedger:
    """One table, keyed by ``shard`` (string) and ``chunk`` (number); how items look is in ``items``."""

    def __init__(self, connection: Connection, table: str, log: Log) -> None:
        """Name the table; nothing is asked yet."""
        self._connection = connection
        self._table = table
        self._log = log
        self._client: DynamoDBClient | None = None

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Carry out conditional writes.

        One that DynamoDB will never take (an item over 400 KB) is FAILED like any other, so that it holds up no
        other chunk of its batch, and is logged as an error: somebody has to look.
        """
        check_chunks([write.key for write in writes])
        answers = await self._execute([write_statement(self._table, write) for write in writes])
        outcomes = [WriteOutcome.FAILED] * len(writes)
        for position, (write, answer) in enumerate(zip(writes, answers, strict=False)):
            outcomes[position] = self._outcome(write, answer)
        return outcomes

    async def read(self, keys: Sequence[ChunkKey]) -> list[Record | None]:
        """The records of these chunks, or ``None`` where there is none. All are read, or ``Unavailable`` is raised."""
        check_chunks(keys)
        answers = await self._execute([read_statement(self._table, key) for key in keys])
        if len(answers) < len(keys):
            raise Unavailable(f"table {self._table}: {len(keys)} chunks were asked for and {len(answers)} answered")
        for answer in answers:
            if "Error" in answer:
                raise Unavailable(f"table {self._table}: a read failed: {_reason(answer)}")
        return [
            self._record(key, answer["Item"]) if answer.get("Item") else None
            for key, answer in zip(keys, answers, strict=True)
        ]

    def _record(self, key: ChunkKey, item: Item) -> Record:
        try:
            return to_record(key, item)
        except MalformedMessage as error:
            # One item that another version wrote must not hold up the 24 others of its batch.
            self._log.warning("item-unreadable", chunk=str(key), error=str(error))
            return Record(key, ChunkState.CLAIMED, NO_OWNER, 0, 0, readable=False)

    async def create_run(self, run: Run) -> Run:
        """Write the run if its id is free; give the run that the ledger then holds.

        Called again after a lost answer, it finds the run that the first call wrote.
        """
        dynamodb = await self._open()

        def put() -> bool:
            try:
                dynamodb.put_item(
                    TableName=self._table,
                    Item=run_item(run),
                    ConditionExpression="attribute_not_exists(#shard)",
                    ExpressionAttributeNames=_NAMES,
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        free = await self._connection.call(put)
        found = run if free else await self.read_run(run.id)
        if found is None:
            raise Unavailable(f"run {run.id}: it was in the ledger, and is gone")
        return found

    async def read_run(self, run_id: str) -> Run | None:
        """The run of that id, or ``None``."""
        dynamodb = await self._open()
        answer = await self._connection.call(
            dynamodb.get_item, TableName=self._table, Key=run_key(run_id), ConsistentRead=True
        )
        return to_run(run_id, answer["Item"]) if answer.get("Item") else None

    async def cancel_run(self, run_id: str) -> bool:
        """Set the run's cancelled flag; ``False`` where there is no such run."""
        dynamodb = await self._open()

        def flag() -> bool:
            try:
                dynamodb.update_item(
                    TableName=self._table,
                    Key=run_key(run_id),
                    UpdateExpression="SET cancelled = :true",
                    ConditionExpression="attribute_exists(#shard)",
                    ExpressionAttributeNames=_NAMES,
                    ExpressionAttributeValues={":true": {"BOOL": True}},
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        return await self._connection.call(flag)

    async def records(self, run: Run) -> AsyncIterator[Record]:
        """All records of a run, shard by shard in chunk order, a page (1 MB) at a time; throttling is waited out."""
        dynamodb = await self._open()
        for shard in range(run.shards):
            partition = key_values(ChunkKey(run.id, shard, run.shards))[0]
            start: dict[str, Any] = {}
            while True:
                page = await self._page(partial(self._query, dynamodb, partition, start))
                for item in page.get("Items", []):
                    yield to_record(ChunkKey(run.id, chunk_number(item), run.shards), item)
                if not page.get("LastEvaluatedKey"):
                    break
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _query(self, dynamodb: "DynamoDBClient", partition: Any, start: dict[str, Any]) -> Any:  # noqa: ANN401  (JSON)
        return dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="#shard = :shard",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues={":shard": partition},
            **start,
        )

    async def _page(self, query: Callable[[], Any]) -> Any:  # noqa: ANN401  (JSON)
        wait = _FIRST_WAIT
        for _ in range(PAGE_TRIES - 1):
            try:
                return await self._connection.call(query)
            except Unavailable:
                await trio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  (jitter)
                wait *= 2
        return await self._connection.call(query)

    async def _open(self) -> "DynamoDBClient":
        if self._client is None:
            self._client = await self._connection.call(lambda: self._connection.client("dynamodb"))
        return self._client

    async def _execute(self, statements: "Sequence[BatchStatementRequestTypeDef]") -> Sequence[Any]:
        """Run a batch and give an answer a statement, as far as there are answers."""
        if not statements:
            return []
        dynamodb = await self._open()
        answer = await self._connection.call(dynamodb.batch_execute_statement, Statements=statements)
        answers = answer.get("Responses", [])
        for one in answers:
            code = one.get("Error", {}).get("Code", "")
            if code in DENIED | MISSING_FLEET:
                raise named(code, f"table {self._table}: {_reason(one)}", self._connection.fleet)
        return answers

    def _outcome(self, write: Write, answer: Any) -> WriteOutcome:  # noqa: ANN401  (JSON)
        code = answer.get("Error", {}).get("Code")
        if code is None:
            return WriteOutcome.WRITTEN
        if code in REFUSED:
            return WriteOutcome.REFUSED
        if code in HOPELESS:
            self._log.error("ledger-refuses-item", chunk=str(write.key), reason=_reason(answer))
        return WriteOutcome.FAILED


def _reason(answer: Any) -> str:  # noqa: ANN401  (JSON)
    error = answer["Error"]
    return f"{error.get('Code')}: {error.get('Message')}"
