"""Costs: what a run's requests cost on AWS, before it is pushed and so far. The machines that work are not in it.

Workers under load share their calls among ten messages. Where a message is long work its calls carry nothing else, and
SQS costs up to eight times as much; the ledger's writes, which are most of it, cost the same.
"""

from dataclasses import dataclass

from cloudkon.model import Run
from cloudkon.prices import prices

_SQS_UNIT = 65_536
_WRITE_BYTES = 1024
_ITEM_BYTES = 300
"""Of a chunk's item without its results."""
_RESULT_BYTES = 30
"""Of one result in an item, compressed, its output left aside."""
_REPORTED = 50
"""Results a report, under load: there may be more of them, but it does not wait for them."""
_SENDING = _DELETING = 0.1
"""Requests a message, ten a call."""
_RECEIVING = 0.2
"""The same: calls that receive are somewhat emptier."""
_PREFETCHED, _PUBLISHED, _DELETED = 0.18, 0.1, 0.5
"""Seconds of work whose messages a worker gathers for one call (``images.worker``: intake and closing)."""
_RENEWAL_SECONDS = 20.0
"""From one renewal of a chunk to the next, a third of the default lease."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars, by what they are paid for."""

    queues: float
    ledger: float

    @property
    def total(self) -> float:
        """Dollars in all."""
        return self.queues + self.ledger


def estimate_cost(tasks: int, messages: int, size: int, work: float = 0.0) -> Cost:
    """What a run costs of so many tasks and messages; ``size`` is that of all instructions in bytes.

    ``work`` is in seconds, of all tasks together. 0, where nothing is known of it, is the least that it can cost.
    """
    length = work / max(1, messages)
    calls = _SENDING + _alone(_RECEIVING, length / _PREFETCHED) + _alone(_DELETING, length / _DELETED)
    # A report lies in a call of its own where a message does.
    reports = max(tasks / _REPORTED, messages * _alone(0.0, length / _PUBLISHED))
    reporting = _alone(_SENDING, length / _PUBLISHED) + _RECEIVING + _DELETING
    units = max(messages * calls, 3 * size / _SQS_UNIT) + reports * reporting
    results = tasks / max(1, messages) * _RESULT_BYTES
    # A claim, renewals, and a completion with the results.
    writes = messages * (1 + length // _RENEWAL_SECONDS + -(-(_ITEM_BYTES + results) // _WRITE_BYTES))
    listed = prices()
    return Cost(units * listed.sqs_request, writes * listed.write_unit)


def _alone(least: float, share: float) -> float:
    """Requests a message, from ``least`` where calls are full to 1 where each is for one message."""
    return min(1.0, max(least, share))


def spent_so_far(run: Run, ended: int, task_seconds: float) -> float:
    """Dollars of requests for a run that was sent, of whose tasks so many have ended, and took so long on average."""
    sending = run.chunk_count * _SENDING * prices().sqs_request
    whole = max(sending, estimate_cost(run.count, run.chunk_count, 0, run.count * task_seconds).total)
    return sending + (whole - sending) * ended / max(1, run.count)
