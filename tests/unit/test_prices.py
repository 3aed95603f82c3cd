"""The price list is complete, and names its region and date."""

import pytest

from cloudkon.prices import prices


def test_prices_of_a_million_requests_equal_the_list() -> None:
    listed = prices()

    assert (listed.sqs_request * 1e6, listed.write_unit * 1e6, listed.read_unit * 1e6) == (0.40, 0.625, 0.125)
    assert 0 < listed.spot_share < 1
    assert all(0 < price < 10 for price in listed.instance_hour.values())


def test_price_list_has_the_types_of_the_free_plan() -> None:
    listed = prices().instance_hour
    free = ("c7i-flex.large", "m7i-flex.large", "t3.micro", "t3.small", "t4g.micro", "t4g.small")
    assert set(free) <= set(listed)
    # AWS announced both with 5 % below the types they derive from.
    assert listed["c7i-flex.large"] / listed["c7i.large"] == pytest.approx(0.95, abs=0.001)
    assert listed["m7i-flex.large"] / listed["m7i.large"] == pytest.approx(0.95, abs=0.001)


def test_price_list_names_its_region_and_date() -> None:
    assert prices().origin == "list prices of us-east-1, 2026-11-22"
