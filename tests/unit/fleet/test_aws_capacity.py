"""How many workers fit on a number of instances, and the error for counts that don't fit."""

import math

import pytest

from cloudkon.errors import InvalidInput
from fleet.aws.resources.instance_types import FleetCapacity, InstanceType, Size

LARGE = InstanceType("c7i.large", 2, 4096).size
CAPACITY = FleetCapacity(4, LARGE, {"worker": Size(512, 900), "animoto": Size(1024, 1800)})


def test_instance_offers_less_memory_than_its_nominal_size() -> None:
    assert Size(2048, 3686) == LARGE


@pytest.mark.parametrize(
    ("counts", "instances"),
    [
        ({"worker": 0}, 0),
        ({"worker": 1}, 1),
        ({"worker": 4}, 1),
        ({"worker": 5}, 2),
        ({"worker": 2, "animoto": 1}, 1),
        ({"worker": 3, "animoto": 1}, 2),
        ({"worker": 16, "animoto": 8}, 8),
        ({"worker": 100_000}, 25_000),
    ],
)
def test_counts_need_this_many_instances(counts: dict[str, int], instances: int) -> None:
    assert CAPACITY.needed(counts) == instances


def test_ecs_task_larger_than_any_instance_never_runs() -> None:
    capacity = FleetCapacity(4, LARGE, {"worker": Size(512, 4000)})
    assert math.isinf(capacity.needed({"worker": 1}))
    with pytest.raises(InvalidInput, match=r"larger than the smallest instance.*--worker-memory"):
        capacity.check("worker", 1, {})


def test_count_that_does_not_fit_is_refused_with_alternatives() -> None:
    with pytest.raises(InvalidInput, match=r"count 17: 4 instances hold 16 workers .*up --max-instances 5$"):
        CAPACITY.check("worker", 17, {})


def test_other_pools_count_reduces_capacity() -> None:
    with pytest.raises(InvalidInput, match=r"hold 12 workers of pool worker beside 2 of pool animoto"):
        CAPACITY.check("worker", 13, {"animoto": 2})
    CAPACITY.check("worker", 12, {"animoto": 2})


@pytest.mark.parametrize("others", [{}, {"animoto": 3}, {"animoto": 7}, {"animoto": 8}])
def test_largest_count_fits_and_one_more_does_not(others: dict[str, int]) -> None:
    most = CAPACITY.most("worker", others)
    assert CAPACITY.needed({**others, "worker": most}) <= CAPACITY.instances
    assert CAPACITY.needed({**others, "worker": most + 1}) > CAPACITY.instances


def test_zero_always_fits() -> None:
    CAPACITY.check("worker", 0, {"animoto": 1000})
