"""Measures bare loops, which show what the machine allows without queue, ledger and worker."""

import multiprocessing
import time
from multiprocessing.connection import Connection

from benchmarks.harness.bench_fleet import Rate


def bare_loop(tasks: int, seconds: float) -> Rate:
    """Call ``time.sleep`` once for each task in a Python loop, and do nothing else."""
    begun = time.monotonic()
    for _ in range(tasks):
        time.sleep(seconds)
    return Rate(tasks, time.monotonic() - begun)


def bare_process(tasks: int, seconds: float) -> Rate:
    """Have another process compute once for each task and wait for its reply: the minimum cost of a slot process."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_compute_on_request, args=(its,))
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


def _compute_on_request(pipe: Connection) -> None:
    while (seconds := pipe.recv()) is not None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        pipe.send(None)
