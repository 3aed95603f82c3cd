"""The summary of a run, as in the table of the CloudKon report."""

import pytest

from cloudkon.model import Result, TaskId, TaskState
from images.worker.summary import Summary


def result(seq: int, state: TaskState = TaskState.SUCCEEDED, seconds: float = 0.02) -> Result:
    return Result(TaskId("run", seq), state, seconds=seconds)


def test_efficiency_is_work_divided_by_slot_time() -> None:
    summary = Summary.of([("sleep 10", result(seq)) for seq in range(1000)], seconds=6.0, slots=2)
    # 10 s of sleep were asked for, however long they took, in 12 s of slot time.
    assert summary.efficiency == pytest.approx(10 / 12)
    assert summary.tasks_per_second == pytest.approx(1000 / 6)


def test_work_of_other_handlers_is_their_own_duration() -> None:
    summary = Summary.of([("exec make", result(0, seconds=3.0))], seconds=4.0, slots=1)
    assert summary.efficiency == pytest.approx(0.75)


def test_failed_and_cancelled_tasks_did_not_succeed() -> None:
    states = [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED]
    summary = Summary.of([("sleep 1", result(seq, state)) for seq, state in enumerate(states)], 1.0, 1)
    assert (summary.tasks, summary.succeeded, summary.failed) == (3, 1, 2)


def test_summary_of_no_tasks_has_no_throughput() -> None:
    assert Summary.of([], 0.0, 1).tasks_per_second == 0


def test_table_columns_line_up() -> None:
    heads, cells = str(Summary(12_345, 12_344, 1, 61.5, 200.7, 0.987)).splitlines()
    assert len(heads) == len(cells)
    assert cells.split() == ["12,345", "12,344", "1", "61.50", "200.7", "98.7%"]
