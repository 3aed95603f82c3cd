"""Toil: what the tasks of a schedule do, good and bad, and how they may end."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from cloudkon.errors import PermanentFailure
from cloudkon.handler import Context
from cloudkon.model import TaskState
from tests.simulation.invariants import Witness
from tests.simulation.worker_lifecycle import LIFE

MAX_ATTEMPTS = 3
TIMEOUT = 20.0
"""Seconds of one attempt."""
RETRY = 1.0
_LONGEST_RETRIES: float = RETRY * (2**MAX_ATTEMPTS - 1)
_FOR_GOOD = 9
_LONG = 5000
"""Characters that go to the store."""


@dataclass(frozen=True)
class Toil:
    """One task: works for ``seconds``, fails so many attempts, and may hang or kill its worker instead."""

    seconds: float = 0.0
    failures: int = 0
    size: int = 40
    hangs: bool = False
    kills: bool = False

    @classmethod
    def of(cls, rng: random.Random, seconds: Sequence[float], long: float) -> "Toil":
        """One by chance; ``long`` is the share of those with long outputs."""
        what = rng.random()
        if what < 0.02:
            return cls(hangs=True)
        if what < 0.04:
            return cls(kills=True)
        return cls(
            rng.choice(seconds),
            failures=rng.choice([1, 2, MAX_ATTEMPTS, _FOR_GOOD]) if what < 0.2 else 0,
            size=_LONG if rng.random() < long else 40,
        )

    @property
    def instruction(self) -> str:
        return f"toil {self.seconds} {self.failures} {self.size} {self.hangs:d} {self.kills:d}"

    @classmethod
    def parse(cls, arguments: str) -> "Toil":
        seconds, failures, size, hangs, kills = arguments.split()
        return cls(float(seconds), int(failures), int(size), hangs == "1", kills == "1")

    @property
    def longest(self) -> float:
        """Seconds that it may take in all: its attempts, and the waits between them."""
        attempts = 1 if self.failures == _FOR_GOOD else min(MAX_ATTEMPTS, self.failures + 1)
        return MAX_ATTEMPTS * TIMEOUT + _LONGEST_RETRIES if self.hangs else attempts * self.seconds + _LONGEST_RETRIES

    @property
    def ends(self) -> TaskState:
        """How it ends if nobody cancels it."""
        bad = self.hangs or self.kills or self.failures >= MAX_ATTEMPTS
        return TaskState.FAILED if bad else TaskState.SUCCEEDED


def toiling(witness: Witness) -> Callable[[str, Context], Awaitable[str]]:
    """The handler."""

    async def toil(arguments: str, context: Context) -> str:
        what = Toil.parse(arguments)
        witness.started(context)
        answer = None
        try:
            await _work(what)
            if what.failures == _FOR_GOOD or context.attempt <= what.failures:
                witness.failed(context)
                raise PermanentFailure("never") if what.failures == _FOR_GOOD else ValueError("not yet")
            answer = f"{context.token} {witness.starts}".ljust(what.size, ".")
        finally:
            witness.stopped(context, answer)
        return answer

    return toil


async def _work(what: Toil) -> None:
    if what.kills:
        life = LIFE.get()
        assert life
        life.die()
    if what.hangs or what.kills:
        await trio.sleep_forever()
    await trio.sleep(what.seconds)
