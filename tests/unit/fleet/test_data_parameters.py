"""The data template's optional parameters, and what they cost."""

import pytest
from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]  # it ships no types

from cloudkon.errors import InvalidInput
from cloudkon.prices import prices
from cloudkon.settings import Settings
from fleet.aws.resources.data_parameters import data_parameters, option_costs
from fleet.provision import OPTIONS, TEMPLATE, parameters
from fleet.target_options import NO_SIZING, Sizing


def test_template_has_exactly_the_known_parameters() -> None:
    known = OPTIONS | parameters(Settings()).keys()
    assert set(loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]) == known


def test_options_become_parameters_and_others_stay() -> None:
    assert data_parameters(NO_SIZING, {"WarmWrites": "9000"}) == {}
    sizing = Sizing(warm_throughput=20_000, point_in_time_recovery=True, versioning=False)
    assert data_parameters(sizing, {}) == {
        "WarmWrites": "20000",
        "PointInTimeRecovery": "enabled",
        "Versioning": "disabled",
    }


def test_warm_throughput_can_not_be_lowered() -> None:
    present = {"WarmWrites": "20000"}
    assert data_parameters(Sizing(warm_throughput=20_000), present) == {"WarmWrites": "20000"}
    with pytest.raises(InvalidInput, match=r"--warm-throughput 8000: the ledger's is 20000, and DynamoDB can't lower"):
        data_parameters(Sizing(warm_throughput=8_000), present)


def test_warm_throughput_of_a_new_table_is_refused_as_no_gain() -> None:
    with pytest.raises(InvalidInput, match="a new table serves 4,000 writes a second anyway"):
        Sizing(warm_throughput=4_000).check()


def test_only_new_choices_have_a_price() -> None:
    chosen = {"WarmWrites": "24000", "PointInTimeRecovery": "enabled", "Versioning": "enabled"}
    origin = prices().origin
    assert list(option_costs(chosen, {}, prices())) == [
        f"warm throughput of 24000 writes a second: about $13.00 once ({origin})",
        f"point-in-time recovery: $0.20 a GB of the ledger and month ({origin})",
        f"versioning: old versions stay for 30 days, at $0.023 a GB and month ({origin})",
    ]
    (rise,) = option_costs({"WarmWrites": "24000"}, {"WarmWrites": "14000"}, prices())
    assert "about $6.50 once" in rise
    assert list(option_costs(chosen, chosen, prices())) == []
    assert list(option_costs({"Versioning": "disabled"}, {"Versioning": "enabled"}, prices())) == []


@pytest.mark.parametrize("arn", ["boundary", "arn:aws:iam::1:policy/x", "arn:aws:iam::123456789012:role/x"])
def test_boundary_that_is_no_policy_is_refused(arn: str) -> None:
    with pytest.raises(InvalidInput, match="not the ARN of a policy"):
        Sizing(permissions_boundary=arn).check()


@pytest.mark.parametrize("arn", ["arn:aws-us-gov:iam::123456789012:policy/path/b", "arn:aws:iam::aws:policy/X", ""])
def test_boundary_of_any_partition_is_accepted(arn: str) -> None:
    Sizing(permissions_boundary=arn).check()
