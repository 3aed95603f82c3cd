"""Parses the command line with which every peer's program pushes: ``COUNT MILLISECONDS GAP_SECONDS``."""

import sys
import time
from collections.abc import Callable, Sequence


def push_by_command_line(push: Callable[[float, Sequence[float]], None]) -> None:
    """Call ``push`` with the tasks' milliseconds and, for each task of a batch, the time at which it was sent.

    Without a gap, all tasks are one batch and the send times are 0. With a gap, each task is pushed by itself, that
    many seconds after the one before.
    """
    count, milliseconds, gap = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    if not gap:
        push(milliseconds, [0.0] * count)
        return
    for _ in range(count):
        push(milliseconds, [time.time()])
        time.sleep(gap)
