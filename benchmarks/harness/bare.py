"""Bare loops: what the machine itself allows, measured beside everything else."""

import multiprocessing
import time
from multiprocessing.connection import Connection

from benchmarks.harness.bench_fleet import Rate


def bare_loop(tasks: int, seconds: float) -> Rate:
    """Call ``time.sleep`` so often in a Python loop, and do nothing else."""
    begun = time.monotonic()
    for _ in range(tasks):
        time.sleep(seconds)
    return Rate(tasks, time.monotonic() - begun)


def bare_process(tasks: int, seconds: float) -> Rate:
    """Let another process compute for so long, so often, and wait for its word: the least that a slot process takes."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_compute_when_told, args=(its,))
    process.start()
    try:
        ours.send(0.0)
        ours.recv()
        begun = time.monotonic()
        for _ in range(tasks):
            ours.send(seconds)
            ours.recv()
        return Rate(tasks, time.monotonic() - begun)
    finally:
        ours.send(None)
        process.join()


def _compute_when_told(pipe: Connection) -> None:
    while (seconds := pipe.recv()) is not None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        pipe.send(None)
