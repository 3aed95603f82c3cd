"""The report format: results of one run as the body of a message on the result queue.

    {"v": 1, "run": "3a4f0c1b2c3", "results": [[SEQ, STATE, TEXT, ATTEMPTS, STARTED, SECONDS, WORKER], …]}

``TEXT`` is the output of a task that succeeded and the error of one that did not. A result is a row rather than
an object because the same form stands in the ledger, where a kilobyte is a write unit.
"""

from collections.abc import Iterable, Sequence

import orjson

from cloudkon.errors import MalformedMessage
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.wire.fields import field, read_object

VERSION = 1
MOST_RESULTS = 500
"""Results packed into one report: without texts some 40 KB, and 64 KB are billed as one request."""

Row = list[object]
_COLUMNS = 7


def to_row(result: Result) -> Row:
    """A result as a row; times are cut to 0.1 ms, which is below what a wall clock is worth."""
    text = result.output if result.state is TaskState.SUCCEEDED else result.error
    started, seconds = round(result.started, 4), round(result.seconds, 4)
    return [result.task.seq, result.state, text, result.attempts, started, seconds, result.worker]


def from_row(run: str, row: object) -> Result:
    """Read a row, or raise ``MalformedMessage``."""
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
    """The body of a report; all results are of ``run``."""
    value = {"v": VERSION, "run": run, "results": [to_row(result) for result in results]}
    return orjson.dumps(value).decode()


def decode_report(body: str) -> Sequence[Result]:
    """Read a report's body, or raise ``MalformedMessage``."""
    value = read_object(body, "the report", VERSION)
    run = field(value, "run", str)
    return [from_row(run, row) for row in field(value, "results", list)]
