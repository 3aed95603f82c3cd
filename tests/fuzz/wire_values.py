"""Rows of results that are nearly right, and what must hold of each result that was read."""

import math
from datetime import UTC, datetime

from hypothesis import strategies as st

from cloudkon.model import Result, TaskState
from tests.fuzz.hostile_values import JSON_VALUES

LARGEST = 2**53
"""A number that every JSON reader keeps exactly, and DynamoDB and SQS take."""
ROW = [3, "SUCCEEDED", "output", 1, 1.5, 0.25, "worker"]
ROWS = st.lists(
    st.builds(lambda at, value: [*ROW[:at], value, *ROW[at + 1 :]], st.integers(0, len(ROW) - 1), JSON_VALUES)
    | st.lists(JSON_VALUES, max_size=8)
    | JSON_VALUES,
    max_size=3,
)


def assert_sound(result: Result) -> None:
    """A result can be counted, shown and written again."""
    assert 0 <= result.task.seq <= LARGEST
    assert 0 <= result.attempts <= LARGEST
    assert isinstance(result.state, TaskState)
    assert all(isinstance(text, str) for text in (result.output, result.error, result.worker))
    assert math.isfinite(result.seconds)
    assert result.seconds >= 0
    assert datetime.fromtimestamp(result.started, UTC)
