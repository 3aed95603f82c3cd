"""Estimates what a run's requests cost on AWS: before it is pushed, and so far. The workers' machines are not included.

Workers under load put ten messages in a call. If a message is long work, its calls carry nothing else, and SQS costs up
to eight times as much. The ledger's writes, which are most of the cost, stay the same.
"""

from dataclasses import dataclass

from cloudkon.model import Run
from cloudkon.prices import prices

_SQS_UNIT = 65_536
_WRITE_BYTES = 1024
_ITEM_BYTES = 300
"""Size of a chunk's item without its results."""
_RESULT_BYTES = 30
"""Size of one compressed result in an item, without its output."""
_REPORTED_RESULTS = 50
"""Results in a report under load. A report may hold more, but does not wait for them."""
_SEND_REQUESTS = _DELETE_REQUESTS = 0.1
"""Requests per message, with ten messages in a call."""
_RECEIVE_REQUESTS = 0.2
"""Requests per message: receives return fewer messages per call."""
_RECEIVE_SECONDS, _PUBLISH_SECONDS, _DELETE_SECONDS = 0.18, 0.1, 0.5
"""Seconds of work whose messages a worker collects for one call (``images.worker``: its receiver and its finisher)."""
_RENEWAL_SECONDS = 20.0
"""Time between two renewals of a chunk, a third of the default lease."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars by service."""

    queues: float
    ledger: float

    @property
    def total(self) -> float:
        """Total dollars."""
        return self.queues + self.ledger


def estimate_cost(tasks: int, messages: int, size: int, work: float = 0.0) -> Cost:
    """Estimate the requests' cost of a run; ``size`` is the size of all instructions in bytes.

    ``work`` is the duration of all tasks together in seconds. With 0, if it is unknown, the estimate is a lower bound.
    """
    seconds = work / max(1, messages)
    receiving = _requests(_RECEIVE_REQUESTS, seconds / _RECEIVE_SECONDS)
    deleting = _requests(_DELETE_REQUESTS, seconds / _DELETE_SECONDS)
    calls = _SEND_REQUESTS + receiving + deleting
    # A report has a call of its own where a message has one.
    reports = max(tasks / _REPORTED_RESULTS, messages * _requests(0.0, seconds / _PUBLISH_SECONDS))
    reporting = _requests(_SEND_REQUESTS, seconds / _PUBLISH_SECONDS) + _RECEIVE_REQUESTS + _DELETE_REQUESTS
    units = max(messages * calls, 3 * size / _SQS_UNIT) + reports * reporting
    results = tasks / max(1, messages) * _RESULT_BYTES
    # A claim, renewals, and a completion with the results.
    writes = messages * (1 + seconds // _RENEWAL_SECONDS + -(-(_ITEM_BYTES + results) // _WRITE_BYTES))
    listed = prices()
    return Cost(units * listed.sqs_request, writes * listed.write_unit)


def _requests(least: float, share: float) -> float:
    """Requests per message: ``least`` if calls are full, 1 if each call carries one message."""
    return min(1.0, max(least, share))


def spent_so_far(run: Run, ended: int, task_seconds: float) -> float:
    """Estimate the requests' dollars so far of a sent run; ``ended`` tasks took ``task_seconds`` on average."""
    sending = run.chunk_count * _SEND_REQUESTS * prices().sqs_request
    whole = max(sending, estimate_cost(run.count, run.chunk_count, 0, run.count * task_seconds).total)
    return sending + (whole - sending) * ended / max(1, run.count)
