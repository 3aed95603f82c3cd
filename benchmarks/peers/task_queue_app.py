"""Uses python-task-queue as its README does: ``insert`` to push, ``poll`` to work, without progress bars."""

import os
import sys
from functools import partial

from taskqueue import TaskQueue, queueable  # type: ignore[import-not-found]  # in the peers' own environment only

from benchmarks.harness.records import record_sleep
from benchmarks.peers.pusher import push_by_command_line

LEASE_SECONDS = 60


@queueable  # type: ignore[untyped-decorator]  # as above
def run_nap(milliseconds: float, sent: float) -> None:
    """Run the task."""
    record_sleep(milliseconds, sent)


def open_queue() -> TaskQueue:
    """The queue, which must exist."""
    return TaskQueue("sqs://bench", progress=False, endpoint_url=os.environ["BENCH_ENDPOINT"])


if __name__ == "__main__":
    queue = open_queue()
    if sys.argv[1] == "work":
        queue.poll(lease_seconds=LEASE_SECONDS)
    else:
        push_by_command_line(
            lambda milliseconds, sent: queue.insert([partial(run_nap, milliseconds, when) for when in sent])
        )
