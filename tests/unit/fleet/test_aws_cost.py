"""The cost of a fleet from the price list."""

import pytest

from cloudkon.prices import Prices, prices
from fleet.aws.cost import Rate, fleet_cost, hourly_price
from fleet.aws.resources.auto_scaling_group import Ec2Instance
from fleet.aws.resources.compute_parameters import DEFAULT_TYPES

TABLE = Prices(
    region="somewhere",
    date="2026-01-01",
    sqs_request=1e-6,
    write_unit=2e-6,
    read_unit=0.0,
    provisioned_write_unit_hour=0.001,
    recovery_gb_month=0.2,
    store_gb_month=0.02,
    instance_hour={"big": 1.0},
    spot_share=0.25,
    gp3_gib_month=0.73,
    public_address_hour=0.01,
)


def instance(kind: str, *, spot: bool = False) -> Ec2Instance:
    return Ec2Instance(f"i-{kind}-{spot}", kind, "running", 0.0, spot=spot)


def test_instances_volumes_and_addresses_cost_by_the_hour() -> None:
    cost = fleet_cost([instance("big"), instance("big", spot=True)], 10, Rate(0, 0), TABLE)
    assert cost.hour == pytest.approx(1.25 + 2 * (0.73 * 10 / 730 + 0.01))
    assert cost.thousand_tasks is None
    assert cost.origin == "list prices of somewhere, 2026-01-01"


def test_tasks_share_the_hourly_cost_and_chunks_add_their_calls() -> None:
    cost = fleet_cost([instance("big")], 0, Rate(chunks=1_000_000, tasks=10_000_000), TABLE)
    assert cost.hour == pytest.approx(1.01 + 0.5 * 1.0 + 2.0 * 2.0)
    assert cost.thousand_tasks == pytest.approx(cost.hour / 10_000)


def test_type_without_a_price_is_named() -> None:
    assert fleet_cost([instance("odd"), instance("odd")], 0, Rate(0, 0), TABLE).unknown == ("odd",)


def test_price_table_has_the_default_types_and_its_date() -> None:
    assert all(hourly_price(instance(kind), prices()) for kind in DEFAULT_TYPES.values())
    assert prices().date in prices().origin
