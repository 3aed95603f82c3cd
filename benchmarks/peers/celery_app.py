"""Configures Celery on SQS as its guide "Using Amazon SQS" does: only the address is not the default.

Remote control is off because that guide says so. By default Celery deletes a message before its task runs, so a crash
loses the task; its figures include what it saves by that. Results are ignored: SQS can't carry them.

``BENCH_TUNED`` removes the two bottlenecks that a user finds: by default kombu (5.7) waits a second whenever the
prefetch limit is reached (``Channel._loop1``), and the limit is four messages for each slot.
"""

import os
from collections.abc import Sequence

from celery import Celery  # type: ignore[import-not-found]  # installed in the peers' own environment only

from benchmarks.harness.records import record_sleep
from benchmarks.peers.pusher import push_by_command_line

app = Celery("bench", broker=os.environ["BENCH_ENDPOINT"].replace("http://", "sqs://cloudkon:cloudkon@"))
app.conf.broker_transport_options = {"region": "us-east-1", "is_secure": False}
app.conf.task_default_queue = "bench"
app.conf.task_ignore_result = True
app.conf.worker_enable_remote_control = False
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("BENCH_TUNED"):
    app.conf.broker_transport_options |= {"polling_interval": 0}
    app.conf.worker_prefetch_multiplier = 10


@app.task(name="nap")  # type: ignore[untyped-decorator]  # as above
def run_nap(milliseconds: float, sent: float) -> None:
    """Run the task."""
    record_sleep(milliseconds, sent)


def push(milliseconds: float, sent: Sequence[float]) -> None:
    """Push one task for each send time."""
    for when in sent:
        run_nap.delay(milliseconds, when)


if __name__ == "__main__":
    push_by_command_line(push)
