"""Implements the ledger on DynamoDB."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from cloudkon.aws.connection import Connection
from cloudkon.aws.items import Item, key_values, to_record
from cloudkon.aws.ledger_pages import LedgerPages
from cloudkon.aws.run_items import entry_item, run_item, run_key, to_run
from cloudkon.aws.statements import read_statement, write_statement
from cloudkon.aws.table import NAMES, Table, reason
from cloudkon.errors import MalformedMessage, Unavailable
from cloudkon.log import Log
from cloudkon.model import ChunkKey, ChunkRecord, Run
from cloudkon.ports.batch import check_chunks
from cloudkon.ports.ledger import Page, SummaryPage, Write, WriteOutcome

REFUSED = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem"})
"""DynamoDB's error codes for a false condition, in batches and in single calls."""
PERMANENT = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError", "ValidationException"})
"""Error codes of a statement that would fail again however often it is repeated."""


class DynamoLedger:
    """One table with the keys ``shard`` (string) and ``chunk`` (number); ``items`` and ``run_items`` say more."""

    def __init__(self, connection: Connection, table: str, log: Log) -> None:
        """Name the table. No call is made yet."""
        self._table = Table(connection, table)
        self._pages = LedgerPages(self._table, log)
        self._log = log

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Carry out conditional writes.

        A write that DynamoDB will never accept (an item over 400 KB) is IMPOSSIBLE. It is also logged as an error,
        because a person must look at it.
        """
        check_chunks([write.key for write in writes])
        answers = await self._table.execute([write_statement(self._table.name, write) for write in writes])
        outcomes = [WriteOutcome.FAILED] * len(writes)
        for position, (write, answer) in enumerate(zip(writes, answers, strict=False)):
            outcomes[position] = self._outcome(write, answer)
        return outcomes

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        """Return the records of these chunks, ``None`` for no record. Raises ``Unavailable`` if any read failed."""
        check_chunks(keys)
        answers = await self._table.read([read_statement(self._table.name, key_values(key)) for key in keys])
        return [
            self._record(key, answer["Item"]) if answer.get("Item") else None
            for key, answer in zip(keys, answers, strict=True)
        ]

    def _record(self, key: ChunkKey, item: Item) -> ChunkRecord:
        try:
            return to_record(key, item)
        except MalformedMessage as error:
            # One item that another version wrote must not fail the 24 others of its batch.
            self._log.warning("item-unreadable", chunk=str(key), error=str(error))
            return ChunkRecord.unreadable(key, str(error))

    async def create_run(self, run: Run) -> Run:
        """Write the run if its id is free. Returns the run that the ledger then has under that id.

        If a response was lost, call it again: it finds the run that the first call wrote.
        """
        dynamodb = await self._table.client()

        def put() -> bool:
            # Its entry first: an entry without a run is skipped, but a run without an entry would never be listed.
            dynamodb.put_item(TableName=self._table.name, Item=entry_item(run))
            try:
                dynamodb.put_item(
                    TableName=self._table.name,
                    Item=run_item(run),
                    ConditionExpression="attribute_not_exists(#shard)",
                    ExpressionAttributeNames=NAMES,
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        free = await self._table.call(put)
        found = run if free else await self.read_run(run.id)
        if found is None:
            raise Unavailable(f"run {run.id}: it was deleted from the ledger")
        return found

    async def read_run(self, run_id: str) -> Run | None:
        """Return the run with that id, or ``None``."""
        dynamodb = await self._table.client()
        key = run_key(run_id)
        answer = await self._table.call(
            lambda: dynamodb.get_item(TableName=self._table.name, Key=key, ConsistentRead=True)
        )
        return to_run(run_id, answer["Item"]) if answer.get("Item") else None

    async def cancel_run(self, run_id: str) -> bool:
        """Set the run's cancelled flag. Returns ``False`` if there is no such run."""
        dynamodb = await self._table.client()

        def flag() -> bool:
            try:
                dynamodb.update_item(
                    TableName=self._table.name,
                    Key=run_key(run_id),
                    UpdateExpression="SET cancelled = :true",
                    ConditionExpression="attribute_exists(#shard)",
                    ExpressionAttributeNames=NAMES,
                    ExpressionAttributeValues={":true": {"BOOL": True}},
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        return await self._table.call(flag)

    def runs(self) -> AsyncGenerator[Run, None]:
        """Iterate over all runs, newest first. A run that this version can't read is logged and skipped."""
        return self._pages.runs()

    def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        """Iterate over all records of a run, shard by shard in chunk order, 1 MB a page. Repeats throttled calls."""
        return self._pages.records(run)

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        """Read one page of a shard's records, from chunk number ``first`` on. Repeats throttled calls."""
        return await self._pages.page(run, shard, first)

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        """Read the same page as summaries. Repeats throttled calls."""
        return await self._pages.summaries(run, shard, first)

    def _outcome(self, write: Write, answer: Any) -> WriteOutcome:  # noqa: ANN401  (JSON)
        code = answer.get("Error", {}).get("Code")
        if code is None:
            return WriteOutcome.WRITTEN
        if code in REFUSED:
            return WriteOutcome.REFUSED
        if code in PERMANENT:
            self._log.error("ledger-refuses-item", chunk=str(write.key), reason=reason(answer))
            return WriteOutcome.IMPOSSIBLE
        return WriteOutcome.FAILED
