"""The partition of a region, and the services that it has."""

import pytest

from cloudkon.aws.account import Account
from cloudkon.aws.partition import Partition, partition_of
from cloudkon.errors import InvalidInput


@pytest.mark.parametrize(
    ("region", "name", "dns_suffix"),
    [
        ("eu-north-1", "aws", "amazonaws.com"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
        # A region that AWS has not opened yet.
        ("eu-north-9", "aws", "amazonaws.com"),
    ],
)
def test_region_has_a_partition_and_its_registry_a_host(region: str, name: str, dns_suffix: str) -> None:
    assert partition_of(region) == Partition(name, dns_suffix)
    assert Account("123456789012", region).registry() == f"123456789012.dkr.ecr.{region}.{dns_suffix}"


@pytest.mark.parametrize("region", ["", "mars-1", "eu-north-1.example.com", "eu-north-1\n", "*"])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(InvalidInput, match=r"no partition of AWS has a region of that name. Fix AWS_REGION"):
        partition_of(region)


def test_partition_without_a_service_is_refused() -> None:
    partition_of("us-gov-west-1").check_services(["ecs", "iam", "sts"])
    with pytest.raises(InvalidInput, match=r"^partition aws-us-gov: it has no braket. Set AWS_REGION to a region of"):
        partition_of("us-gov-west-1").check_services(["braket", "ecs"])
