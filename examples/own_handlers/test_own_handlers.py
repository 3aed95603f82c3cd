"""Tests the handlers in a worker's whole pipeline, in this process."""  # noqa: INP001  (pytest finds it by path)

from own_handlers import LARGEST, primes

from cloudkon.model import TaskState
from images.worker.testing import rehearse


def test_primes_are_counted() -> None:
    """The output is always a string; here it is a number in digits."""
    expected = {0: "0", 2: "0", 3: "1", 100: "25", 1_000_000: "78498"}
    results = rehearse({"primes": primes}, [f"primes {limit}" for limit in expected])
    assert [result.output for result in results] == list(expected.values())


def test_invalid_instruction_is_not_tried_again() -> None:
    """``InvalidInstruction`` fails the task at the first attempt; the error shows the correct form."""
    results = rehearse({"primes": primes}, ["primes many", "primes", "primes -1", f"primes {LARGEST + 1}"])
    assert {(result.state, result.attempts) for result in results} == {(TaskState.FAILED, 1)}
    assert all("Write it as: primes 1000000" in result.error for result in results)


def test_failed_task_does_not_affect_the_others() -> None:
    """``slots=2`` is the setting ``CLOUDKON_SLOTS=2`` of a worker."""
    results = rehearse({"primes": primes}, ["primes 10", "primes many", "primes 20"], slots=2)
    assert [result.output for result in results] == ["4", "", "8"]
