"""Encodes and decodes a report: results of one run as the body of a message on the result queue.

    {"v": 1, "run": "3a4f0c1b2c3", "results": [[SEQ, STATE, TEXT, ATTEMPTS, STARTED, SECONDS, WORKER], …]}

``TEXT`` is the output of a task that succeeded, or the error of any other. A result is a row and not an object, because
the ledger uses the same form, and bills writes by the kilobyte.
"""

from collections.abc import Iterable, Sequence

import orjson

from cloudkon.errors import MalformedMessage
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.wire.fields import field, read_object

VERSION = 1
MOST_RESULTS = 500
"""Results in one report. Without texts they take about 40 KB, and SQS bills 64 KB as one request."""

Row = list[object]
_COLUMNS = 7


def to_row(result: Result) -> Row:
    """Return a result as a row. Times are rounded to 0.1 ms, which is finer than wall clocks are accurate."""
    text = result.output if result.state is TaskState.SUCCEEDED else result.error
    started, seconds = round(result.started, 4), round(result.seconds, 4)
    return [result.task.seq, result.state, text, result.attempts, started, seconds, result.worker]


def from_row(run: str, row: object) -> Result:
    """Read a row of a result of ``run``, or raise ``MalformedMessage``."""
    if not isinstance(row, list) or len(row) != _COLUMNS:
        raise MalformedMessage(f"a result is {row!r:.60}, not a row of {_COLUMNS}")
    try:
        seq, state, text, attempts, started, seconds, worker = row
        succeeded = TaskState(state) is TaskState.SUCCEEDED
        return Result(
            TaskId(run, int(seq)),
            TaskState(state),
            output=str(text) if succeeded else "",
            error="" if succeeded else str(text),
            attempts=int(attempts),
            started=float(started),
            seconds=float(seconds),
            worker=str(worker),
        )
    except (TypeError, ValueError) as error:
        raise MalformedMessage(f"a result is {row!r:.60}: {error}") from error


def encode_report(run: str, results: Iterable[Result]) -> str:
    """Return the body of a report. All results must be of ``run``."""
    value = {"v": VERSION, "run": run, "results": [to_row(result) for result in results]}
    return orjson.dumps(value).decode()


def decode_report(body: str) -> Sequence[Result]:
    """Read a report's body, or raise ``MalformedMessage``."""
    value = read_object(body, "the report", VERSION)
    run = field(value, "run", str)
    return [from_row(run, row) for row in field(value, "results", list)]
