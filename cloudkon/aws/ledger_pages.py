"""Reads the ledger page by page: the records of a run, and the list of runs."""

import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any

from cloudkon.aws.items import (
    NO_CHUNK,
    SUMMARY_ATTRIBUTES,
    Item,
    chunk_number,
    chunk_position,
    key_values,
    to_record,
    to_summary,
)
from cloudkon.aws.run_items import entry_item, months, run_key, to_run
from cloudkon.aws.statements import read_statement
from cloudkon.aws.table import NAMES, Table
from cloudkon.errors import MalformedMessage
from cloudkon.log import Log
from cloudkon.model import ChunkKey, ChunkRecord, ChunkSummary, Run
from cloudkon.ports.ledger import STATEMENTS, Page, SummaryPage
from cloudkon.wire.fields import RUN_ID


class LedgerPages:
    """Queries one table and retries throttled calls."""

    def __init__(self, table: Table, log: Log) -> None:
        """Name the table. No call is made yet."""
        self._table = table
        self._log = log

    async def page(self, run: Run, shard: int, first: int) -> Page:
        """Read the records of a shard from chunk number ``first`` on, as many as one call returns (1 MB)."""
        items, more = await self._items(run, shard, first)
        return Page(tuple(self._record(run, item) for item in items), more, _last(items))

    def _record(self, run: Run, item: Item) -> ChunkRecord:
        key = ChunkKey(run.id, chunk_number(item), run.shards)
        if key.number == NO_CHUNK:
            return ChunkRecord.unreadable(key, f"its key is {item['chunk']['N']}")
        try:
            return to_record(key, item)
        except MalformedMessage as error:
            # One item that another version wrote must not hide the others of its run. Readers name it.
            return ChunkRecord.unreadable(key, str(error))

    async def summaries(self, run: Run, shard: int, first: int) -> SummaryPage:
        """Read the same page as summaries. DynamoDB bills the same for it, and sends fewer bytes."""
        names = {f"#{name}": name for name in SUMMARY_ATTRIBUTES}
        items, more = await self._items(
            run, shard, first, ProjectionExpression=", ".join(names), ExpressionAttributeNames=NAMES | names
        )
        return SummaryPage(tuple(self._summary(run, item) for item in items), more, _last(items))

    def _summary(self, run: Run, item: Item) -> ChunkSummary:
        try:
            return to_summary(run.id, item)
        except MalformedMessage as error:
            return ChunkSummary.unreadable(chunk_number(item), str(error))

    async def _items(self, run: Run, shard: int, first: int, **options: Any) -> tuple[list[Item], bool]:  # noqa: ANN401  (a query's)
        """Query one page: its items, and whether more may follow. ``options`` are arguments of the query."""
        dynamodb = await self._table.client()
        partition, number = key_values(ChunkKey(run.id, shard, run.shards))[0], {"N": str(first)}
        answer: Any = await self._table.call_with_retries(
            partial(
                dynamodb.query,
                TableName=self._table.name,
                KeyConditionExpression="#shard = :shard AND chunk >= :first",
                ExpressionAttributeValues={":shard": partition, ":first": number},
                **{"ExpressionAttributeNames": NAMES, **options},
            )
        )
        items = answer.get("Items", [])
        return items, bool(items and answer.get("LastEvaluatedKey"))

    async def records(self, run: Run) -> AsyncGenerator[ChunkRecord, None]:
        """Iterate over all records of a run, shard by shard in chunk order."""
        for shard in range(run.shards):
            first, more = 0, True
            while more:
                page = await self.page(run, shard, first)
                for record in page.records:
                    yield record
                # Not by the last record's number: a key that is no chunk's number has none.
                first, more = max(first, page.last or 0) + 1, page.more

    async def runs(self) -> AsyncGenerator[Run, None]:
        """Iterate over all runs, newest first. A run that this version can't read is logged and skipped."""
        for month in months(time.time()):
            start: dict[str, Any] = {}
            while True:
                page = await self._entries(month, start)
                for run in await self._runs(page.get("Items", [])):
                    yield run
                if not page.get("LastEvaluatedKey"):
                    break
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def _entries(self, month: str, start: dict[str, Any]) -> Any:  # noqa: ANN401  (JSON)
        dynamodb = await self._table.client()
        return await self._table.call_with_retries(
            partial(
                dynamodb.query,
                TableName=self._table.name,
                KeyConditionExpression="#shard = :shard",
                ExpressionAttributeNames=NAMES,
                ExpressionAttributeValues={":shard": {"S": month}},
                ScanIndexForward=False,
                Limit=STATEMENTS,
                **start,
            )
        )

    async def _runs(self, entries: Sequence[Item]) -> list[Run]:
        """Read the runs of these entries. Some may not exist, because an entry is written before its run."""
        # A push that was refused because its run's id was taken has left an entry too, with another start time. A batch
        # must not name a key twice.
        run_ids = list(dict.fromkeys(run_id for entry in entries if RUN_ID.fullmatch(run_id := _named_run(entry))))
        statements = [read_statement(self._table.name, list(run_key(run_id).values())) for run_id in run_ids]
        found: dict[Any, Run] = {}
        for run_id, answer in zip(run_ids, await self._table.read(statements), strict=True):
            if not answer.get("Item"):
                continue
            try:
                run = to_run(run_id, answer["Item"])
            except MalformedMessage as error:
                self._log.warning("run-unreadable", run=run_id, error=str(error))
                continue
            found[entry_item(run)["chunk"]["N"]] = run
        return [found[number] for entry in entries if (number := entry["chunk"]["N"]) in found]


def _last(items: Sequence[Item]) -> int | None:
    return chunk_position(items[-1]) if items else None


def _named_run(entry: Item) -> str:
    """Return the id of the run that an entry names, empty if a program wrote the entry in another form."""
    name = entry.get("run", {}).get("S", "")
    return name if isinstance(name, str) else ""
