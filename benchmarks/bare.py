"""Bare loops: what the machine itself allows, measured beside everything else."""

import time

from benchmarks.bench_fleet import Rate


def bare_loop(tasks: int, seconds: float) -> Rate:
    """Call ``time.sleep`` so often in a Python loop, and do nothing else."""
    begun = time.monotonic()
    for _ in range(tasks):
        time.sleep(seconds)
    return Rate(tasks, time.monotonic() - begun)
