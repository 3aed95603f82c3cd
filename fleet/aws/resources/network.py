"""Chooses the subnets that instances start in, and checks that AWS's endpoints can be reached from there.

An instance that can't reach them starts, costs money and never registers. So this is checked before any change.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import InvalidInput, ServiceError

from .block_public_access import BlockPublicAccess

ENDPOINTS: Final = frozenset(
    {"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs", "sqs", "s3", "dynamodb"}
)
"""Services that instances and workers call. A network without another way out needs a VPC endpoint for each
(ECS and ECR Developer Guides, interface VPC endpoints)."""
ANYWHERE: Final = "0.0.0.0/0"
OTHER_NETWORK: Final = "Give others with --vpc and --subnets"
OPEN: Final = BlockPublicAccess()
"""An account that blocks nothing."""
_REGION: Final = re.compile(r"\.[a-z]+(?:-[a-z]+)+-\d+\.")
"""A region's name inside the name of an endpoint's service."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet; ``way_out`` says how it reaches AWS. If empty, ``reason`` says why it can't."""

    id: str
    zone: str
    way_out: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC and its usable subnets."""

    vpc: str
    subnets: tuple[Subnet, ...]

    def parameters(self) -> dict[str, str]:
        """Return the compute template's parameters for this network."""
        return {"VpcId": self.vpc, "SubnetIds": ",".join(subnet.id for subnet in self.subnets)}


async def find_network(
    control: ControlPlane, vpc: str, subnets: Sequence[str], types: Sequence[str], access: BlockPublicAccess = OPEN
) -> Network:
    """Return the usable subnets of the default VPC or of the given one, or the given subnets.

    ``types``: instance types that the subnets' zones must offer. ``access``: what the account blocks. Raises
    ``InvalidInput`` that says what is missing and how to fix it.
    """
    rows = await _subnets(control, vpc, subnets)
    vpc = rows[0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    tables = await control.pages("ec2", "describe_route_tables", "RouteTables", Filters=filters)
    endpoints = await control.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)
    offered = await _zones_offering(control, types)
    found = [assess_subnet(row, tables, endpoints, types, offered, access) for row in rows]
    refused = [subnet for subnet in found if not subnet.way_out]
    usable = tuple(subnet for subnet in found if subnet.way_out)
    # Named subnets must all be usable. Otherwise the usable subnets of the VPC are enough.
    if refused and (subnets or not usable):
        reasons = "; ".join(f"{subnet.id} ({subnet.zone}): {subnet.reason}" for subnet in refused)
        raise InvalidInput(f"VPC {vpc}", f"instances would not work there. {reasons}", OTHER_NETWORK)
    return Network(vpc, usable)


async def _subnets(control: ControlPlane, vpc: str, subnets: Sequence[str]) -> list[Mapping[str, Any]]:
    if subnets:
        try:
            rows: list[Mapping[str, Any]] = await control.pages(
                "ec2", "describe_subnets", "Subnets", SubnetIds=[*subnets]
            )
        except ServiceError as error:
            if not error.code.startswith("InvalidSubnet"):
                raise
            raise InvalidInput("subnets", str(error), "See --subnets") from error
        named = {row["VpcId"] for row in rows} | ({vpc} if vpc else set())
        if len(named) > 1:
            raise InvalidInput("subnets", f"they are not all in one VPC: {', '.join(sorted(named))}", OTHER_NETWORK)
        return rows
    if not vpc:
        default = [{"Name": "is-default", "Values": ["true"]}]
        vpcs = await control.pages("ec2", "describe_vpcs", "Vpcs", Filters=default)
        if not vpcs:
            raise InvalidInput("VPC", "this account has no default one in this region", "Name one with --vpc VPC")
        vpc = vpcs[0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    rows = await control.pages("ec2", "describe_subnets", "Subnets", Filters=filters)
    if not rows:
        raise InvalidInput(f"VPC {vpc}", "it has no subnets (or there is no such VPC in this region)", OTHER_NETWORK)
    return rows


async def _zones_offering(control: ControlPlane, types: Sequence[str]) -> frozenset[str]:
    """Return the zones that offer at least one of the types: the group launches whichever is available."""
    rows = await control.pages(
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [*types]}],
    )
    if not rows:
        raise InvalidInput("instance types", f"this region has no {', '.join(types)}", "See --instance-types")
    return frozenset(row["Location"] for row in rows)


def assess_subnet(
    row: Mapping[str, Any],
    tables: Iterable[Mapping[str, Any]],
    endpoints: Iterable[Mapping[str, Any]],
    types: Sequence[str],
    offered: frozenset[str],
    access: BlockPublicAccess = OPEN,
) -> Subnet:
    """Return one subnet from EC2's answer, with its way out or the reason why it can't be used."""
    identity, zone = str(row["SubnetId"]), str(row["AvailabilityZone"])
    if zone not in offered:
        return Subnet(identity, zone, reason=f"its zone has no {' or '.join(types)}")
    table = _table_of(identity, [*tables])
    gateway = _default_gateway(table)
    blocked = access.blocks(row, gateway)
    if gateway.startswith("igw-") and not blocked:
        if row.get("MapPublicIpOnLaunch"):
            return Subnet(identity, zone, f"public addresses and {gateway}")
        return Subnet(identity, zone, reason="it has an internet gateway, but gives instances no public address")
    if gateway and not blocked:
        return Subnet(identity, zone, gateway)
    reached = {_service(one) for one in endpoints if _serves(one, row, table)}
    if missing := sorted(ENDPOINTS - reached):
        ways = "no gateway, no NAT"
        if blocked:
            ways = f"VPC Block Public Access ({access.mode}) blocks {gateway} and nothing is excluded from it"
        return Subnet(identity, zone, reason=f"no way out: {ways}, no VPC endpoint for {', '.join(missing)}")
    return Subnet(identity, zone, "VPC endpoints")


def _table_of(subnet: str, tables: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A subnet's own route table, else the VPC's main one."""
    associations = [(one, table) for table in tables for one in table.get("Associations", ())]
    own = [table for one, table in associations if one.get("SubnetId") == subnet]
    main = [table for one, table in associations if one.get("Main")]
    return (own or main or [{}])[0]


def _default_gateway(table: Mapping[str, Any]) -> str:
    """Return the target of a route table's default route."""
    for route in table.get("Routes", ()):
        if route.get("DestinationCidrBlock") == ANYWHERE and route.get("State", "active") == "active":
            ways = (
                *("NatGatewayId", "TransitGatewayId", "GatewayId", "NetworkInterfaceId", "InstanceId"),
                *("CoreNetworkArn", "LocalGatewayId", "CarrierGatewayId"),
            )
            return next((str(route[way]) for way in ways if route.get(way)), "")
    return ""


def _service(endpoint: Mapping[str, Any]) -> str:
    """``com.amazonaws.eu-north-1.ecr.api`` is ``ecr.api``.

    What stands before the region is the partition's DNS suffix backwards, such as ``cn.com.amazonaws`` (Amazon Web
    Services in China, DescribeVpcEndpointServices) or ``gov.ic.c2s``.
    """
    return _REGION.split(str(endpoint["ServiceName"]), maxsplit=1)[-1]


def _serves(endpoint: Mapping[str, Any], row: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    """Whether the subnet reaches an endpoint: by its DNS name anywhere in the VPC, or by its route table's route."""
    if str(endpoint.get("State", "")).lower() != "available":
        return False
    if endpoint.get("VpcEndpointType") == "Gateway":
        return table.get("RouteTableId") in endpoint.get("RouteTableIds", ())
    return bool(endpoint.get("PrivateDnsEnabled")) and endpoint.get("VpcId") == row["VpcId"]
