"""Selects the seeds of a test run, runs their schedules and reports how to replay one that fails."""

import gc
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.simulation.chaos import run_seed


def first_of_revision() -> int:
    """A first seed that follows from the commit: each commit tries other schedules, and each run of it the same."""
    command = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return int(found.stdout[:7], 16) if found.returncode == 0 else 0


FIRST = int(os.environ.get("SIMULATION_FIRST") or first_of_revision())
SEEDS = int(os.environ.get("SIMULATION_SEEDS") or 300)
BATCH = 250
"""Schedules of one test."""
_ALLOCATIONS = 50_000
"""Allocations between two garbage collections: Python's default of 700 takes a twentieth of the CPU time."""


def batches(remainder: int) -> list[range]:
    """The seeds with this remainder by two, in batches: two test files share the seeds, so that two cores do."""
    seeds = range(FIRST, FIRST + SEEDS)
    mine = seeds[(remainder - FIRST) % 2 :: 2]
    # At least one batch, even if it is empty: pytest reports a test without parameters as skipped.
    return [mine[start : start + BATCH] for start in range(0, max(1, len(mine)), BATCH)]


def run_all(seeds: Iterable[int], scratch: Path) -> None:
    """Run schedules; raise the first broken promise with a note of the command that replays it."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    try:
        for seed in seeds:
            _run(seed, scratch)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _run(seed: int, scratch: Path) -> None:
    try:
        run_seed(seed, scratch)
    except BaseException as error:
        error.add_note(f"seed {seed}; replay it with: make simulate SEEDS=1 FIRST={seed}")
        raise
