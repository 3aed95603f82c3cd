"""The ledger on DynamoDB."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from cloudkon.aws.connection import Connection
from cloudkon.aws.items import Item, entry_item, key_values, run_item, run_key, to_record, to_run
from cloudkon.aws.ledger_pages import LedgerPages
from cloudkon.aws.statements import read_statement, write_statement
from cloudkon.aws.table import NAMES, Table, reason
from cloudkon.errors import MalformedMessage, Unavailable
from cloudkon.log import Log
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Run
from cloudkon.model.chunk_record import NO_OWNER
from cloudkon.ports.batch import check_chunks
from cloudkon.ports.ledger import Page, SummaryPage, Write, WriteOutcome

REFUSED = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem"})
"""Codes by which DynamoDB says that a condition was false: its batches' name for it, and its single calls'."""
HOPELESS = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError", "ValidationException"})
"""Codes of a statement that will fail again however often it is sent."""


class DynamoLedger:
    """One table, keyed by ``shard`` (string) and ``chunk`` (number); how items look is in ``items``."""

    def __init__(self, connection: Connection, table: str, log: Log) -> None:
        """Name the table; nothing is asked yet."""
        self._table = Table(connection, table)
        self._listing = LedgerPages(self._table, log)
        self._log = log

    async def write(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Carry out conditional writes.

        One that DynamoDB will never take (an item over 400 KB) is FAILED like any other, so that it holds up no
        other chunk of its batch, and is logged as an error: somebody has to look.
        """
        check_chunks([write.key for write in writes])
        answers = await self._table.execute([write_statement(self._table.name, write) for write in writes])
        outcomes = [WriteOutcome.FAILED] * len(writes)
        for position, (write, answer) in enumerate(zip(writes, answers, strict=False)):
            outcomes[position] = self._outcome(write, answer)
        return outcomes

    async def read(self, keys: Sequence[ChunkKey]) -> list[ChunkRecord | None]:
        """The records of these chunks, or ``None`` where there is none. All are read, or ``Unavailable`` is raised."""
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
            # One item that another version wrote must not hold up the 24 others of its batch.
            self._log.warning("item-unreadable", chunk=str(key), error=str(error))
            return ChunkRecord(key, ChunkState.CLAIMED, NO_OWNER, 0, 0, readable=False)

    async def create_run(self, run: Run) -> Run:
        """Write the run if its id is free; give the run that the ledger then holds.

        Called again after a lost answer, it finds the run that the first call wrote.
        """
        dynamodb = await self._table.client()

        def put() -> bool:
            # Its entry first: one that names no run is passed over, a run without one would never be listed.
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
            raise Unavailable(f"run {run.id}: it was in the ledger, and is gone")
        return found

    async def read_run(self, run_id: str) -> Run | None:
        """The run of that id, or ``None``."""
        dynamodb = await self._table.client()
        key = run_key(run_id)
        answer = await self._table.call(
            lambda: dynamodb.get_item(TableName=self._table.name, Key=key, ConsistentRead=True)
        )
        return to_run(run_id, answer["Item"]) if answer.get("Item") else None

    async def cancel_run(self, run_id: str) -> bool:
        """Set the run's cancelled flag; ``False`` where there is no such run."""
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
        """The runs there are, the one that started last first; one that this version can't read is logged."""
        return self._listing.runs()

    def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        """All records of a run, shard by shard in chunk order, a page (1 MB) at a time; throttling is waited out."""
        return self._listing.records(run)

    async def page(self, run: Run, shard: int, first: int = 0) -> Page:
        """One page of a shard's records from chunk number ``first`` on; throttling is waited out."""
        return await self._listing.page(run, shard, first)

    async def summaries(self, run: Run, shard: int, first: int = 0) -> SummaryPage:
        """The same page in outline; throttling is waited out."""
        return await self._listing.summaries(run, shard, first)

    def _outcome(self, write: Write, answer: Any) -> WriteOutcome:  # noqa: ANN401  (JSON)
        code = answer.get("Error", {}).get("Code")
        if code is None:
            return WriteOutcome.WRITTEN
        if code in REFUSED:
            return WriteOutcome.REFUSED
        if code in HOPELESS:
            self._log.error("ledger-refuses-item", chunk=str(write.key), reason=reason(answer))
        return WriteOutcome.FAILED
