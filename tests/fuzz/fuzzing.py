"""Runs a property on generated inputs: the same ones each time in CI, ever new ones for as long as asked.

``FUZZ_EXAMPLES`` says how many inputs a seed gives (20 by default). ``FUZZ_SEED=7`` runs those of one seed, and
``FUZZ_SECONDS=3600`` new seeds for an hour, shared by the chosen targets. A failure prints the smallest input that was
found, and the seed.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "20"))
"""Inputs of one seed."""
seconds_a_target = 0.0
"""Set by ``conftest``: how long each target goes on with new seeds; 0 for one fixed seed."""


def fuzzed(*, share: float = 1.0, **inputs: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Turn a property of generated ``inputs`` into a test; slow ones get a ``share`` of the examples."""

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        def target() -> None:
            for number in _seeds():
                _run(check, inputs, number, max(1, round(EXAMPLES * share)))

        target.__name__, target.__doc__ = check.__name__, check.__doc__
        target.__module__, target.__qualname__ = check.__module__, check.__qualname__
        return target

    return decorate


def _run(check: Callable[..., None], inputs: dict[str, SearchStrategy[Any]], number: int, examples: int) -> None:
    bounded = settings(max_examples=examples, database=None, derandomize=False, suppress_health_check=list(HealthCheck))
    try:
        seed(number)(bounded(given(**inputs)(check)))()
    except BaseException:
        wanted = f"FUZZ_SEED={number} FUZZ_EXAMPLES={EXAMPLES}"
        sys.stderr.write(f"\nreproduce with: make fuzz {wanted} WITH='-k {check.__name__}'\n")
        raise


def _seeds() -> Iterator[int]:
    if given_seed := os.environ.get("FUZZ_SEED"):
        yield int(given_seed)
        return
    if not seconds_a_target:
        yield 0
        return
    end = time.monotonic() + seconds_a_target
    while time.monotonic() < end:
        yield random.SystemRandom().randrange(2**32)
