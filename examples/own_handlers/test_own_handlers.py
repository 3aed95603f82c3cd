"""The handlers in a worker's whole pipeline, on this machine alone."""  # noqa: INP001  (pytest finds it by path)

from own_handlers import LARGEST, primes

from cloudkon.model import TaskState
from images.worker.testing import rehearse


def test_primes_are_counted() -> None:
    """The output is a string: what else it means is up to whoever reads it."""
    expected = {0: "0", 2: "0", 3: "1", 100: "25", 1_000_000: "78498"}
    results = rehearse({"primes": primes}, [f"primes {limit}" for limit in expected])
    assert [result.output for result in results] == list(expected.values())


def test_invalid_instruction_is_not_tried_again() -> None:
    """``InvalidInstruction`` ends it at the first attempt, with an error that says what to write instead."""
    results = rehearse({"primes": primes}, ["primes many", "primes", "primes -1", f"primes {LARGEST + 1}"])
    assert {(result.state, result.attempts) for result in results} == {(TaskState.FAILED, 1)}
    assert all("Write it as: primes 1000000" in result.error for result in results)


def test_failed_task_does_not_affect_the_others() -> None:
    """Two slots, as ``CLOUDKON_SLOTS=2`` gives a worker."""
    results = rehearse({"primes": primes}, ["primes 10", "primes many", "primes 20"], slots=2)
    assert [result.output for result in results] == ["4", "", "8"]
