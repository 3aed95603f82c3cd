"""Whether instances in a subnet can reach AWS, from EC2's description of the network."""

from typing import Any

import pytest

from fleet.aws.resources.block_public_access import BlockPublicAccess
from fleet.aws.resources.network import ENDPOINTS, OPEN, Subnet, assess_subnet

ROW = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "za", "MapPublicIpOnLaunch": False}
GATEWAYS = ("s3", "dynamodb")
LOCAL = {"RouteTableId": "rtb-1", "Associations": [{"Main": True}], "Routes": []}
"""A route table without a route out of the VPC."""
PUBLIC = ROW | {"MapPublicIpOnLaunch": True}


def table(gateway: str, value: str, *, main: bool = False, state: str = "active") -> dict[str, Any]:
    association = {"Main": True} if main else {"Main": False, "SubnetId": "subnet-1"}
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationCidrBlock": "0.0.0.0/0", gateway: value, "State": state},
    ]
    return {"Associations": [association], "Routes": routes}


def endpoint(service: str, **changes: object) -> dict[str, Any]:
    kind = "Gateway" if service in GATEWAYS else "Interface"
    return {
        "ServiceName": f"com.amazonaws.eu-north-1.{service}",
        "VpcId": "vpc-1",
        "VpcEndpointType": kind,
        "State": "available",
        "PrivateDnsEnabled": kind == "Interface",
        "RouteTableIds": ["rtb-1"] if kind == "Gateway" else [],
    } | changes


def judge(
    row: dict[str, Any],
    *tables: dict[str, Any],
    endpoints: list[dict[str, Any]] | None = None,
    access: BlockPublicAccess = OPEN,
) -> Subnet:
    return assess_subnet(row, tables, endpoints or [], ["c7i.large"], frozenset({"za"}), access)


def test_internet_gateway_needs_public_addresses() -> None:
    assert judge(PUBLIC, table("GatewayId", "igw-1")).way_out == "public addresses and igw-1"
    assert "no public address" in judge(ROW, table("GatewayId", "igw-1")).reason


def test_nat_is_a_way_out() -> None:
    assert judge(ROW, table("NatGatewayId", "nat-1")).way_out == "nat-1"


def test_subnets_own_table_overrides_the_main_one() -> None:
    main = table("NatGatewayId", "nat-1", main=True)
    own = {"Associations": [{"Main": False, "SubnetId": "subnet-1"}], "Routes": []}
    assert judge(ROW, main).way_out == "nat-1"
    assert not judge(ROW, main, own).way_out


def test_route_to_a_deleted_target_is_ignored() -> None:
    assert not judge(ROW, table("NatGatewayId", "nat-1", state="blackhole")).way_out


def test_endpoints_for_all_services_are_a_way_out_and_a_missing_one_is_named() -> None:
    all_of_them = [endpoint(service) for service in ENDPOINTS]
    assert judge(ROW, LOCAL, endpoints=all_of_them).way_out == "VPC endpoints"
    some = [one for one in all_of_them if not one["ServiceName"].endswith("ecs-agent")]
    assert judge(ROW, LOCAL, endpoints=some).reason.endswith("no VPC endpoint for ecs-agent")


def test_endpoint_without_private_dns_is_ignored() -> None:
    endpoints = [endpoint(service) for service in ENDPOINTS - {"sqs"}]
    assert "sqs" in judge(ROW, LOCAL, endpoints=[*endpoints, endpoint("sqs", PrivateDnsEnabled=False)]).reason
    assert "sqs" in judge(ROW, LOCAL, endpoints=[*endpoints, endpoint("sqs", State="pending")]).reason


def test_gateway_endpoint_counts_if_the_subnets_table_routes_to_it() -> None:
    all_of_them = [endpoint(service) for service in ENDPOINTS]
    other = LOCAL | {"RouteTableId": "rtb-2"}
    assert judge(ROW, other, endpoints=all_of_them).reason.endswith("no VPC endpoint for dynamodb, s3")


def test_zone_without_the_instance_types_is_unusable() -> None:
    found = assess_subnet(PUBLIC, [table("GatewayId", "igw-1")], [], ["c7i.large", "c6i.large"], frozenset({"zb"}))
    assert found.reason == "its zone has no c7i.large or c6i.large"


@pytest.mark.parametrize(
    "prefix",
    [
        "com.amazonaws.us-gov-west-1",
        "cn.com.amazonaws.cn-north-1",
        "eu.amazonaws.eusc-de-east-1",
        "gov.ic.c2s.us-iso-east-1",
        "gov.sgov.sc2s.us-isob-east-1",
    ],
)
def test_endpoints_of_every_partition_are_recognised(prefix: str) -> None:
    endpoints = [endpoint(service, ServiceName=f"{prefix}.{service}") for service in ENDPOINTS]
    assert judge(ROW, LOCAL, endpoints=endpoints).way_out == "VPC endpoints"


BOTH_WAYS = "block-bidirectional"


@pytest.mark.parametrize(
    ("mode", "excluded", "own", "gateway", "usable"),
    [
        (BOTH_WAYS, "", "", "igw-1", False),
        (BOTH_WAYS, "", "", "nat-1", False),
        (BOTH_WAYS, "", "", "tgw-1", True),
        (BOTH_WAYS, "subnet-1", "", "igw-1", True),
        (BOTH_WAYS, "vpc-1", "", "nat-1", True),
        (BOTH_WAYS, "subnet-2", "", "igw-1", False),
        # Perhaps the NAT gateway is in that subnet.
        (BOTH_WAYS, "subnet-2", "", "nat-1", True),
        (BOTH_WAYS, "", "off", "igw-1", True),
        ("block-ingress", "", "block-ingress", "igw-1", False),
        ("block-ingress", "", "", "nat-1", True),
        ("a-new-mode", "", "", "igw-1", True),
    ],
)
def test_block_public_access_takes_the_way_out_unless_excluded(
    mode: str, excluded: str, own: str, gateway: str, usable: bool
) -> None:
    row = PUBLIC | ({"BlockPublicAccessStates": {"InternetGatewayBlockMode": own}} if own else {})
    found = judge(row, table("GatewayId", gateway), access=BlockPublicAccess(mode, frozenset({excluded}) - {""}))
    assert bool(found.way_out) == usable
    assert ("VPC Block Public Access" in found.reason) != usable


def test_endpoints_are_a_way_out_of_a_blocked_subnet() -> None:
    own = table("GatewayId", "igw-1") | {"RouteTableId": "rtb-1"}
    found = judge(PUBLIC, own, endpoints=[endpoint(one) for one in ENDPOINTS], access=BlockPublicAccess(BOTH_WAYS))
    assert found.way_out == "VPC endpoints"
