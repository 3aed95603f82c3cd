"""Draws what the tasks of a schedule do, and computes how they may end."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from cloudkon.errors import PermanentFailure
from cloudkon.handler import Context
from cloudkon.model import TaskState
from tests.simulation.invariants import InvariantChecker
from tests.simulation.worker_lifecycle import CURRENT_WORKER

HANDLER = "work"
MAX_ATTEMPTS = 3
TIMEOUT = 20.0
"""Seconds of one attempt."""
RETRY = 1.0
"""Seconds before the second attempt."""
_LONGEST_RETRIES: float = RETRY * (2**MAX_ATTEMPTS - 1)
_ALWAYS = 9
"""Failures of a task whose every attempt fails."""
_LONG_OUTPUT = 5000
"""Characters of an output that goes to the store."""


@dataclass(frozen=True)
class TaskBehaviour:
    """One task: it works for ``seconds`` and fails ``failures`` times, or hangs, or kills its worker in the end."""

    seconds: float = 0.0
    failures: int = 0
    size: int = 40
    hangs: bool = False
    kills: bool = False

    @classmethod
    def draw(cls, rng: random.Random, seconds: Sequence[float], long_outputs: float, killers: float) -> "TaskBehaviour":
        """Draw one; ``long_outputs`` and ``killers`` are shares of tasks."""
        chance = rng.random()
        if chance < 0.02:
            return cls(hangs=True)
        if rng.random() < killers:
            return cls(rng.choice(seconds), kills=True)
        return cls(
            rng.choice(seconds),
            failures=rng.choice([1, 2, MAX_ATTEMPTS, _ALWAYS]) if chance < 0.2 else 0,
            size=_LONG_OUTPUT if rng.random() < long_outputs else 40,
        )

    @property
    def instruction(self) -> str:
        return f"{HANDLER} {self.seconds} {self.failures} {self.size} {self.hangs:d} {self.kills:d}"

    @classmethod
    def parse(cls, arguments: str) -> "TaskBehaviour":
        seconds, failures, size, hangs, kills = arguments.split()
        return cls(float(seconds), int(failures), int(size), hangs == "1", kills == "1")

    @property
    def longest_seconds(self) -> float:
        """The most seconds that the task takes: its attempts and the waits between them."""
        attempts = 1 if self.failures == _ALWAYS else min(MAX_ATTEMPTS, self.failures + 1)
        return MAX_ATTEMPTS * TIMEOUT + _LONGEST_RETRIES if self.hangs else attempts * self.seconds + _LONGEST_RETRIES

    @property
    def expected_state(self) -> TaskState:
        """The state in which the task ends unless its run is cancelled."""
        fails = self.hangs or self.kills or self.failures >= MAX_ATTEMPTS
        return TaskState.FAILED if fails else TaskState.SUCCEEDED


def workload_handler(checker: InvariantChecker) -> Callable[[str, Context], Awaitable[str]]:
    """Return the handler that runs these tasks and reports them to the checker."""

    async def work(arguments: str, context: Context) -> str:
        behaviour = TaskBehaviour.parse(arguments)
        checker.on_start(context)
        output = None
        try:
            await _work(behaviour, context.task.seq)
            if behaviour.failures == _ALWAYS or context.attempt <= behaviour.failures:
                checker.on_failure(context)
                raise PermanentFailure("never") if behaviour.failures == _ALWAYS else ValueError("not yet")
            output = f"{context.token} {checker.starts}".ljust(behaviour.size, ".")
        finally:
            checker.on_stop(context, output)
        return output

    return work


async def _work(behaviour: TaskBehaviour, seq: int) -> None:
    if not behaviour.hangs:
        await trio.sleep(behaviour.seconds)
    if behaviour.kills:
        worker = CURRENT_WORKER.get()
        assert worker
        worker.kill(by=seq)
    if behaviour.hangs or behaviour.kills:
        await trio.sleep_forever()
