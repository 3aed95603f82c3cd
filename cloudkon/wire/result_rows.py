"""Writes results as rows, and reads rows that other programs may have written, of a report or of a ledger item.

A row is ``[SEQ, STATE, TEXT, ATTEMPTS, STARTED, SECONDS, WORKER]``; ``TEXT`` is the output of a task that succeeded, or
the error of any other. A result is a row and not an object, because the ledger bills writes by the kilobyte.

Rows are checked column by column: a run has millions of them, and Python checks a column in a fraction of the time of
the same values row by row. JSON has no NaN, so the least and the greatest number of a column tell whether all of them
are within its bounds.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from cloudkon.errors import MalformedMessage
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.wire.fields import LARGEST_NUMBER, LATEST, MOST_ATTEMPTS, shown

Row = list[object]
_STATES: Final = {str(state): state for state in TaskState}


class Columns(NamedTuple):
    """The columns of some rows, each value of the right type and within its bounds."""

    seqs: Sequence[int] = ()
    states: Sequence[str] = ()
    texts: Sequence[str] = ()
    attempts: Sequence[int] = ()
    started: Sequence[float] = ()
    seconds: Sequence[float] = ()
    workers: Sequence[str] = ()


class _Column(NamedTuple):
    """What may be in a column: values of these types, numbers from 0 to ``most``, or one of some words."""

    name: str
    types: frozenset[type]
    most: int | None = None
    words: frozenset[str] = frozenset()


_WHOLE, _NUMBER, _TEXT = frozenset({int}), frozenset({int, float}), frozenset({str})
_COLUMNS: Final = (
    _Column("number", _WHOLE, LARGEST_NUMBER),
    _Column("state", _TEXT, words=frozenset(_STATES)),
    _Column("text", _TEXT),
    _Column("count of attempts", _WHOLE, MOST_ATTEMPTS),
    _Column("start", _NUMBER, LATEST),
    _Column("duration", _NUMBER, LATEST),
    _Column("worker", _TEXT),
)
"""The columns of ``Columns``, in the same order."""
_NO_ROWS: Final = Columns()


def to_row(result: Result) -> Row:
    """Return a result as a row. Times are rounded to 0.1 ms, which is finer than wall clocks are accurate."""
    text = result.output if result.state is TaskState.SUCCEEDED else result.error
    started, seconds = round(result.started, 4), round(result.seconds, 4)
    return [result.task.seq, result.state, text, result.attempts, started, seconds, result.worker]


def read_columns(rows: list[Any]) -> Columns:
    """Return the columns of rows, or raise ``MalformedMessage`` that names the first value that can't be right."""
    if not rows:
        return _NO_ROWS
    for row in rows:
        if type(row) is not list or len(row) != len(_COLUMNS):
            raise MalformedMessage(f"a result is {shown(row)}, not a row of {len(_COLUMNS)}")
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True))
    for column, values in zip(_COLUMNS, columns, strict=True):
        _, types, most, words = column
        if (
            not types.issuperset(map(type, values))
            or (most is not None and not (min(values) >= 0 and max(values) <= most))
            or (words and not words.issuperset(values))
        ):
            raise MalformedMessage(f"the {column.name} of a result is {shown(_first_wrong(column, values))}")
    return Columns(*columns)


def _first_wrong(column: _Column, values: Sequence[Any]) -> object:
    _, types, most, words = column
    return next(
        value
        for value in values
        if type(value) not in types or (most is not None and not 0 <= value <= most) or (words and value not in words)
    )


def to_results(run: str, columns: Columns) -> list[Result]:
    """Return the results of ``run`` that columns hold."""
    found = []
    for seq, state, text, attempts, started, seconds, worker in zip(*columns, strict=True):
        succeeded = state == TaskState.SUCCEEDED
        output, error = (text, "") if succeeded else ("", text)
        times = float(started), float(seconds)
        found.append(Result(TaskId(run, seq), _STATES[state], output, error, attempts, *times, worker))
    return found
