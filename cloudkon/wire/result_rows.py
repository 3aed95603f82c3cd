"""Writes results as rows, and reads rows that other programs may have written, of a report or of a ledger item.

A row is ``[SEQ, STATE, TEXT, ATTEMPTS, STARTED, SECONDS, WORKER]``; ``TEXT`` is the output of a task that succeeded, or
the error of any other. A result is a row and not an object, because the ledger bills writes by the kilobyte.
"""

from typing import Any, Final

from cloudkon.errors import MalformedMessage
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.wire.fields import LARGEST_NUMBER, LATEST, MOST_ATTEMPTS, shown

Row = list[Any]
_COLUMNS: Final = 7
_STATES: Final = {str(state): state for state in TaskState}


def to_row(result: Result) -> Row:
    """Return a result as a row. Times are rounded to 0.1 ms, which is finer than wall clocks are accurate."""
    text = result.output if result.state is TaskState.SUCCEEDED else result.error
    started, seconds = round(result.started, 4), round(result.seconds, 4)
    return [result.task.seq, result.state, text, result.attempts, started, seconds, result.worker]


def check_rows(rows: list[Any]) -> list[Row]:
    """Return the rows if each is that of a result, or raise ``MalformedMessage`` that names the first wrong value."""
    for row in rows:
        if type(row) is not list or len(row) != _COLUMNS:
            raise MalformedMessage(f"a result is {shown(row)}, not a row of {_COLUMNS}")
        seq, state, text, attempts, started, seconds, worker = row
        # All rows of a large run pass here, so each column is checked in place.
        if type(state) is not str or state not in _STATES:
            raise _bad_column("state", state)
        if type(seq) is not int or not 0 <= seq <= LARGEST_NUMBER:
            raise _bad_column("number", seq)
        if type(text) is not str:
            raise _bad_column("text", text)
        if type(attempts) is not int or not 0 <= attempts <= MOST_ATTEMPTS:
            raise _bad_column("count of attempts", attempts)
        if (type(started) is not float and type(started) is not int) or not 0 <= started <= LATEST:
            raise _bad_column("start", started)
        if (type(seconds) is not float and type(seconds) is not int) or not 0 <= seconds <= LATEST:
            raise _bad_column("duration", seconds)
        if type(worker) is not str:
            raise _bad_column("worker", worker)
    return rows


def _bad_column(name: str, value: object) -> MalformedMessage:
    return MalformedMessage(f"the {name} of a result is {shown(value)}")


def to_results(run: str, rows: list[Row]) -> list[Result]:
    """Return the results of ``run`` that checked rows hold."""
    found = []
    for seq, state, text, attempts, started, seconds, worker in rows:
        output, error = (text, "") if state == TaskState.SUCCEEDED else ("", text)
        times = float(started), float(seconds)
        found.append(Result(TaskId(run, seq), _STATES[state], output, error, attempts, *times, worker))
    return found
