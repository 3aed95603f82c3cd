"""The waits of a backoff: they double, stay between their bounds, and are random as far as they are told to be."""

import random

import pytest

from cloudkon.backoff import Backoff


def drawn(backoff: Backoff, failures: int) -> list[float]:
    rng = random.Random(failures)
    return [backoff.wait(failures, rng) for _ in range(2000)]


@pytest.mark.parametrize(
    ("backoff", "failures", "shortest", "longest"),
    [
        (Backoff(first=0.2, most=10.0, jitter=0.5), 1, 0.1, 0.2),
        (Backoff(first=0.2, most=10.0, jitter=0.5), 4, 0.8, 1.6),
        (Backoff(first=0.2, most=10.0, jitter=1.0), 7, 0.0, 10.0),
        (Backoff(first=0.2, most=10.0, jitter=1.0), 5000, 0.0, 10.0),
        (Backoff(first=0.1, most=0.5, jitter=1.0, least=0.05), 1, 0.05, 0.1),
        (Backoff(first=0.4, most=10.0, jitter=1.0, least=0.1), 3, 0.1, 1.6),
    ],
)
def test_waits_fill_their_range_evenly(backoff: Backoff, failures: int, shortest: float, longest: float) -> None:
    waits = drawn(backoff, failures)
    assert shortest <= min(waits) <= max(waits) <= longest
    span = longest - shortest
    quarters = [
        sum(shortest + span * part / 4 <= one < shortest + span * (part + 1) / 4 for one in waits) for part in range(4)
    ]
    assert all(400 < count < 600 for count in quarters), quarters


def test_waits_without_jitter_double_up_to_the_longest() -> None:
    backoff = Backoff(tries=7, first=0.2, most=2.0, jitter=0.0)
    assert list(backoff.waits()) == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
