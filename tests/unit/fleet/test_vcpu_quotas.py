"""Which counts of workers the account's quotas of vCPUs can never hold."""

import pytest

from fleet.aws.preflights.quotas import InstanceMix, VcpuQuotas
from fleet.aws.resources.instance_types import FleetCapacity, InstanceType, Size

LARGE = InstanceType("c7i.large", 2, 4096).size
TASKS = {"worker": Size(512, 900), "animoto": Size(1024, 1800)}
ON_DEMAND = InstanceMix(0, 100)


def quotas(on_demand: float | None, spot: float | None, mix: InstanceMix) -> VcpuQuotas:
    return VcpuQuotas(on_demand, spot, 2, mix, FleetCapacity(16, LARGE, TASKS))


@pytest.mark.parametrize(
    ("on_demand", "spot", "mix", "most"),
    [
        (5.0, None, ON_DEMAND, 8),
        (4.0, None, ON_DEMAND, 8),
        (3.9, None, ON_DEMAND, 4),
        (1.0, None, ON_DEMAND, 0),
        (None, None, ON_DEMAND, 64),
        (None, 6.0, InstanceMix(0, 0), 12),
        (2.0, 6.0, InstanceMix(1, 0), 16),
        # Half of them rounded down: five instances need at least two of each kind.
        (4.0, 4.0, InstanceMix(0, 50), 20),
    ],
)
def test_count_is_refused_from_the_first_that_does_not_fit(
    on_demand: float | None, spot: float | None, mix: InstanceMix, most: int
) -> None:
    found = quotas(on_demand, spot, mix)
    assert found.refusal("worker", most, {}) is None
    if most < 64:
        refusal = found.refusal("worker", most + 1, {})
        assert refusal is not None
        assert f"hold {most} workers" in refusal.reason
        assert refusal.remedy.endswith(f"or give {most}" if most else "in Service Quotas")


def test_other_pools_workers_count_too() -> None:
    refusal = quotas(5.0, None, ON_DEMAND).refusal("worker", 5, {"animoto": 2})
    assert refusal is not None
    assert "hold 4 workers of pool worker beside 2 of pool animoto" in refusal.reason


def test_zero_and_what_never_fits_any_instance_are_left_to_other_checks() -> None:
    assert quotas(1.0, None, ON_DEMAND).refusal("worker", 0, {"animoto": 9}) is None
    huge = VcpuQuotas(1.0, None, 2, ON_DEMAND, FleetCapacity(4, LARGE, {"worker": Size(9999, 1)}))
    assert huge.refusal("worker", 1, {}) is None


@pytest.mark.parametrize(("percentage", "instances"), [(0, 7), (33, 7), (50, 7), (100, 7), (50, 1)])
def test_split_never_counts_an_instance_twice(percentage: int, instances: int) -> None:
    on_demand, spot = InstanceMix(1, percentage).split(instances)
    assert on_demand >= 1
    assert instances - 1 <= on_demand + spot <= instances
