"""dramatiq with dramatiq-sqs, as the latter's README sets it up: everything at its default but the address."""

import os
from collections.abc import Sequence

import dramatiq  # type: ignore[import-not-found]  # installed in the peers' own environment only
from dramatiq_sqs import SQSBroker  # type: ignore[import-not-found]  # as above

from benchmarks.harness.records import nap
from benchmarks.peers.pusher import push_by_command_line

dramatiq.set_broker(SQSBroker(endpoint_url=os.environ["BENCH_ENDPOINT"], region_name="us-east-1"))


@dramatiq.actor(queue_name="bench")  # type: ignore[untyped-decorator]  # as above
def run_nap(milliseconds: float, sent: float) -> None:
    """The task."""
    nap(milliseconds, sent)


def push(milliseconds: float, sent: Sequence[float]) -> None:
    """Push a task for each."""
    for when in sent:
        run_nap.send(milliseconds, when)


if __name__ == "__main__":
    push_by_command_line(push)
