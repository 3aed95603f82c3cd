"""Configures dramatiq with dramatiq-sqs as the latter's README does: only the address is not the default."""

import os
from collections.abc import Sequence

import dramatiq  # type: ignore[import-not-found]  # installed in the peers' own environment only
from dramatiq_sqs import SQSBroker  # type: ignore[import-not-found]  # as above

from benchmarks.harness.records import record_sleep
from benchmarks.peers.pusher import push_by_command_line

dramatiq.set_broker(SQSBroker(endpoint_url=os.environ["BENCH_ENDPOINT"], region_name="us-east-1"))


@dramatiq.actor(queue_name="bench")  # type: ignore[untyped-decorator]  # as above
def run_nap(milliseconds: float, sent: float) -> None:
    """Run the task."""
    record_sleep(milliseconds, sent)


def push(milliseconds: float, sent: Sequence[float]) -> None:
    """Push one task for each send time."""
    for when in sent:
        run_nap.send(milliseconds, when)


if __name__ == "__main__":
    push_by_command_line(push)
