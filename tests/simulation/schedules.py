"""Which schedules a test run goes through, and how a failing one is told."""

import gc
import os
from collections.abc import Iterable
from pathlib import Path

from tests.simulation.chaos import run_seed

FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "10000"))
BATCH = 250
"""Schedules of one test."""
_ALLOCATIONS = 50_000
"""Objects until Python looks for cycles: its own 700 take a twentieth of the CPU."""


def batches(remainder: int) -> list[range]:
    """The seeds whose remainder by two this is, in batches: two files of tests share them, as two cores do."""
    seeds = range(FIRST, FIRST + SEEDS)
    mine = seeds[(remainder - FIRST) % 2 :: 2]
    # One empty batch rather than none, which pytest would call a skipped test.
    return [mine[start : start + BATCH] for start in range(0, max(1, len(mine)), BATCH)]


def run_all(seeds: Iterable[int], scratch: Path) -> None:
    """Run schedules; what breaks in one is raised with the command that replays it."""
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
