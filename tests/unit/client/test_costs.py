"""Tests of the estimated cost of a run's requests, with calls that messages share and calls that they don't."""

import pytest

from client.costs import estimate_cost, spent_so_far
from cloudkon.model import WORKER, Run
from cloudkon.prices import prices

TASKS = 1_000_000


def requests(messages: int, work: float) -> float:
    """SQS requests per message."""
    return estimate_cost(TASKS, messages, 0, work).queues / prices().sqs_request / messages


def writes(messages: int, work: float) -> float:
    """DynamoDB write units per message."""
    return estimate_cost(TASKS, messages, 0, work).ledger / prices().write_unit / messages


def test_short_messages_share_calls_and_long_ones_do_not() -> None:
    assert requests(TASKS, 0.0) == pytest.approx(0.4 + 0.4 / 50)
    # Sent ten per call, then received, deleted and reported one per call; the client reads ten reports per call.
    assert requests(TASKS, TASKS * 1.0) == pytest.approx(0.1 + 1 + 1 + 1 + 0.3)
    # Chunks of short tasks are long messages.
    assert requests(TASKS // 100, TASKS * 0.01) == requests(TASKS // 100, TASKS * 1.0)


@pytest.mark.parametrize(("seconds", "renewals"), [(19.0, 0), (20.0, 1), (65.0, 3)])
def test_each_third_of_a_lease_is_a_write(seconds: float, renewals: int) -> None:
    assert writes(TASKS, TASKS * seconds) == pytest.approx(2 + renewals)


def test_more_work_never_costs_less() -> None:
    costs = [estimate_cost(TASKS, TASKS // 10, 0, work).total for work in (0, 1e3, 1e4, 1e5, 1e6, 1e8)]
    assert costs == sorted(costs)


def test_ended_run_has_spent_the_whole_estimate() -> None:
    run = Run.plan(run_id="run", counts={WORKER.name: 1000}, chunk_size=10, digest="", started=0.0)
    assert spent_so_far(run, 1000, 2.0) == pytest.approx(estimate_cost(1000, 100, 0, 2000.0).total)
    assert spent_so_far(run, 0, 0.0) == pytest.approx(10 * prices().sqs_request)
