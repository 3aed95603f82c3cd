"""Reads the workers' logs from CloudWatch Logs."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import trio

from cloudkon.errors import InvalidInput, NoFleet
from cloudkon.model import POOLS, Pool
from cloudkon.programs import command

from .resources.account_stacks import AccountStacks
from .resources.names import log_group

POLL_SECONDS: Final = 3.0
"""Poll interval when following. CloudWatch Logs shows a line after a few seconds and limits the call rate."""
TASK_ID: Final = re.compile(r"[\w-]+/\d+")
MOST_STREAMS: Final = 50
"""At most this many workers are shown, the most recently active ones: each one needs a call."""
MOST_LINES: Final = 10_000
"""Lines of one stream: the most that one call returns (CloudWatch Logs API reference, GetLogEvents)."""
OVERLAP_MILLISECONDS: Final = 30_000
"""Lines arrive late and out of order: each poll reads this much of the previous one's time range again."""


class Line(NamedTuple):
    """One log line; ``time`` in epoch milliseconds, ``id`` made of stream, time and text."""

    time: int
    source: str
    text: str
    id: str


class LogReader:
    """Reads the logs of one pool's workers, or of all pools."""

    def __init__(self, stacks: AccountStacks, pool: Pool | None, task: str = "") -> None:
        """``task`` is a task's id (``RUN/SEQ``): then only the lines about that task are read.

        Raises ``InvalidInput`` for an invalid id.
        """
        if task and not TASK_ID.fullmatch(task):
            raise InvalidInput(f"task {task!r}", "a task's id has the form RUN/SEQ")
        self._stacks = stacks
        self._pools = (pool,) if pool else POOLS
        self._task = task
        self._seen: dict[str, int] = {}
        self._newest = 0

    async def read(self, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the last ``lines`` lines of each worker, oldest first. To follow, write new lines for ever.

        Raises ``NoFleet`` if there are no logs.
        """
        # Taken before the past is read. Otherwise lines written meanwhile would be lost.
        self._newest = int(self._stacks.clock.wall() * 1000) - OVERLAP_MILLISECONDS
        found = [line for pool in self._pools for line in await self._past(pool, lines)]
        self._write(found, write)
        while follow:
            await trio.sleep(POLL_SECONDS)
            since = self._newest - OVERLAP_MILLISECONDS
            self._write([line for pool in self._pools for line in await self._since(pool, since)], write)

    def _write(self, found: Iterable[Line], write: Callable[[str, str], None]) -> None:
        for line in sorted(found, key=lambda line: line.time):
            if line.id in self._seen:
                continue
            self._seen[line.id] = line.time
            self._newest = max(self._newest, line.time)
            if line.text.strip():
                write(line.source, line.text.rstrip("\n"))
        # No later poll reads older lines.
        oldest = self._newest - OVERLAP_MILLISECONDS
        self._seen = {identity: time for identity, time in self._seen.items() if time >= oldest}

    async def _past(self, pool: Pool, lines: int) -> list[Line]:
        if self._task:
            # The whole retention is searched: only the log knows when the task ran.
            return await self._since(pool, 0)
        rows = await self._pages(
            "describe_log_streams",
            "logStreams",
            pool,
            orderBy="LastEventTime",
            descending=True,
            PaginationConfig={"MaxItems": MOST_STREAMS},
        )
        found: list[Line] = []
        for row in rows if lines else ():
            name = row["logStreamName"]
            answer = await self._stacks.control.call(
                "logs",
                "get_log_events",
                logGroupName=log_group(self._stacks.fleet, pool),
                logStreamName=name,
                limit=min(lines, MOST_LINES),
                startFromHead=False,
            )
            # These events carry no ids. A line is identified by stream, time and text.
            found += [_line(name, event) for event in answer["events"]]
        return found

    async def _since(self, pool: Pool, milliseconds: int) -> list[Line]:
        wanted: dict[str, object] = {"startTime": milliseconds}
        if self._task:
            wanted["filterPattern"] = f'{{ $.task = "{self._task}" }}'
        rows = await self._pages("filter_log_events", "events", pool, **wanted)
        return [_line(row["logStreamName"], row) for row in rows]

    async def _pages(self, operation: str, rows: str, pool: Pool, **wanted: object) -> list[Any]:
        name = log_group(self._stacks.fleet, pool)
        try:
            return await self._stacks.control.pages("logs", operation, rows, logGroupName=name, **wanted)
        except NoFleet as error:
            raise NoFleet(
                f"fleet {self._stacks.fleet!r}", f"no log group {name}", f"Start it with: {command('fleet up')}"
            ) from error


def _line(stream: str, event: Any) -> Line:  # noqa: ANN401  (botocore's answer)
    """``worker/worker/0123456789abcdef`` is the stream of the ECS task with that id, which identifies the worker."""
    pool, _, task = stream.partition("/")
    source = f"{pool}-{task.rpartition('/')[2][:8]}"
    return Line(event["timestamp"], source, event["message"], f"{stream} {event['timestamp']} {event['message']}")
