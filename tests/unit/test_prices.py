"""The list of prices is whole, and says where it is from."""

from cloudkon.prices import prices


def test_a_million_of_each_costs_what_the_list_says() -> None:
    listed = prices()

    assert (listed.sqs_request * 1e6, listed.write_unit * 1e6, listed.read_unit * 1e6) == (0.40, 0.625, 0.125)
    assert 0 < listed.spot_share < 1
    assert all(0 < price < 10 for price in listed.instance_hour.values())


def test_the_list_says_where_and_when() -> None:
    assert prices().origin == "list prices of us-east-1, 2026-11-22"
