"""Encodes and decodes a report: results of one run as the body of a message on the result queue.

    {"v": 1, "run": "3a4f0c1b2c3", "results": [[SEQ, STATE, TEXT, ATTEMPTS, STARTED, SECONDS, WORKER], …]}

``TEXT`` is the output of a task that succeeded, or the error of any other. A result is a row and not an object, because
the ledger uses the same form, and bills writes by the kilobyte.
"""

from collections.abc import Iterable, Sequence

import orjson

from cloudkon.errors import MalformedMessage
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.wire.fields import LARGEST_NUMBER, LATEST, MOST_ATTEMPTS, field, read_object, run_id_in, shown

VERSION = 1
MOST_RESULTS = 500
"""Results in one report. Without texts they take about 40 KB, and SQS bills 64 KB as one request."""

Row = list[object]
_COLUMNS = 7
_NUMBERS = frozenset({int, float})
"""What numbers of JSON become, and true and false don't."""
_STATES = {str(state): state for state in TaskState}


def to_row(result: Result) -> Row:
    """Return a result as a row. Times are rounded to 0.1 ms, which is finer than wall clocks are accurate."""
    text = result.output if result.state is TaskState.SUCCEEDED else result.error
    started, seconds = round(result.started, 4), round(result.seconds, 4)
    return [result.task.seq, result.state, text, result.attempts, started, seconds, result.worker]


def from_row(run: str, row: object) -> Result:
    """Read a row of a result of ``run``, or raise ``MalformedMessage``."""
    if not isinstance(row, list) or len(row) != _COLUMNS:
        raise MalformedMessage(f"a result is {shown(row)}, not a row of {_COLUMNS}")
    seq, state, text, attempts, started, seconds, worker = row
    if type(state) is not str or state not in _STATES:
        raise _bad_column("state", state)
    # All rows of a large run pass here, so each column is checked in place.
    if type(seq) is not int or not 0 <= seq <= LARGEST_NUMBER:
        raise _bad_column("number", seq)
    if type(text) is not str:
        raise _bad_column("text", text)
    if type(attempts) is not int or not 0 <= attempts <= MOST_ATTEMPTS:
        raise _bad_column("count of attempts", attempts)
    if type(started) not in _NUMBERS or not 0 <= started <= LATEST:
        raise _bad_column("start", started)
    if type(seconds) not in _NUMBERS or not 0 <= seconds <= LATEST:
        raise _bad_column("duration", seconds)
    if type(worker) is not str:
        raise _bad_column("worker", worker)
    succeeded = state == TaskState.SUCCEEDED
    output, error = (text, "") if succeeded else ("", text)
    return Result(TaskId(run, seq), _STATES[state], output, error, attempts, float(started), float(seconds), worker)


def _bad_column(name: str, value: object) -> MalformedMessage:
    return MalformedMessage(f"the {name} of a result is {shown(value)}")


def encode_report(run: str, results: Iterable[Result]) -> str:
    """Return the body of a report. All results must be of ``run``."""
    value = {"v": VERSION, "run": run, "results": [to_row(result) for result in results]}
    return orjson.dumps(value).decode()


def decode_report(body: str) -> Sequence[Result]:
    """Read a report's body, or raise ``MalformedMessage``."""
    value = read_object(body, "the report", VERSION)
    run = run_id_in(value)
    return [from_row(run, row) for row in field(value, "results", list)]
