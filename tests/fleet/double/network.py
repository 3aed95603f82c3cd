"""EC2 as the fleet sees it: the network, instance types, instances with their volumes, launch templates, groups."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.filters import filtered
from tests.fleet.double.instance import TYPES, Instance
from tests.fleet.double.refusal import Refusal
from tests.fleet.double.table import Table
from tests.fleet.double.tags import as_list

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Asked = dict[str, Any]
VPC: Final = "vpc-0aaaaaaaaaaaaaaaa"
SUBNETS: Final = ("subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb")
LATEST_IMAGE: Final = "ami-0123456789abcdef0"
SPOT_SHARE: Final = 0.4
"""A Spot price, as a share of a made-up On-Demand price."""


class Ec2:
    def __init__(self, account: "Account") -> None:
        self._account = account
        self.default_vpc = True
        self.public_addresses = True
        """Whether subnets give instances a public address."""
        self.gateway = "igw-0aaaaaaaaaaaaaaaa"
        """Where the default route leads; empty for no way out."""
        self.endpoints: list[str] = []
        """Names of services that have an endpoint in the VPC."""
        self.instances: dict[str, Instance] = {}
        timeline = account.timeline
        self.templates: Table[Asked] = Table(
            timeline, lambda name: Refusal("InvalidLaunchTemplateId.NotFound", f"launch template {name}")
        )
        self.security_groups: Table[Asked] = Table(
            timeline, lambda name: Refusal("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
        )

    def describe_vpcs(self, asked: Asked) -> Asked:
        vpc = {"VpcId": VPC, "IsDefault": self.default_vpc, "CidrBlock": "10.0.0.0/16", "State": "available"}
        wanted = asked.get("VpcIds")
        if wanted and wanted != [VPC]:
            raise Refusal("InvalidVpcID.NotFound", f"The vpc ID '{wanted[0]}' does not exist")
        reads = {"is-default": lambda one: str(one["IsDefault"]).lower(), "vpc-id": lambda one: one["VpcId"]}
        return {"Vpcs": filtered([vpc], asked, reads)}

    def describe_subnets(self, asked: Asked) -> Asked:
        found = [
            {
                "SubnetId": name,
                "VpcId": VPC,
                "AvailabilityZone": f"{self._account.region}{'ab'[index]}",
                "MapPublicIpOnLaunch": self.public_addresses,
                "DefaultForAz": self.default_vpc,
                "State": "available",
                "AvailableIpAddressCount": 200,
                "CidrBlock": f"10.0.{index}.0/24",
            }
            for index, name in enumerate(SUBNETS)
        ]
        if missing := set(asked.get("SubnetIds", [])) - set(SUBNETS):
            raise Refusal("InvalidSubnetID.NotFound", f"The subnet ID '{min(missing)}' does not exist")
        reads: dict[str, Callable[[Any], str]] = {
            "vpc-id": lambda one: one["VpcId"],
            "default-for-az": lambda one: str(one["DefaultForAz"]).lower(),
            "subnet-id": lambda one: one["SubnetId"],
            "state": lambda one: one["State"],
        }
        wanted = asked.get("SubnetIds")
        return {"Subnets": [one for one in filtered(found, asked, reads) if not wanted or one["SubnetId"] in wanted]}

    def describe_route_tables(self, asked: Asked) -> Asked:
        routes = [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}]
        if self.gateway:
            through = "NatGatewayId" if self.gateway.startswith("nat-") else "GatewayId"
            routes.append({"DestinationCidrBlock": "0.0.0.0/0", through: self.gateway, "State": "active"})
        table = {
            "RouteTableId": "rtb-0aaaaaaaaaaaaaaaa",
            "VpcId": VPC,
            "Routes": routes,
            "Associations": [{"Main": True, "RouteTableId": "rtb-0aaaaaaaaaaaaaaaa"}],
        }
        return {"RouteTables": filtered([table], asked, {"vpc-id": lambda one: one["VpcId"]})}

    def describe_vpc_endpoints(self, asked: Asked) -> Asked:
        found = [
            {"ServiceName": f"com.amazonaws.{self._account.region}.{name}", "VpcId": VPC, "State": "available"}
            | {"VpcEndpointType": "Interface", "PrivateDnsEnabled": True}
            for name in self.endpoints
        ]
        return {"VpcEndpoints": filtered(found, asked, {"vpc-id": lambda one: one["VpcId"]})}

    def describe_instance_types(self, asked: Asked) -> Asked:
        wanted = asked.get("InstanceTypes") or sorted(TYPES)
        if unknown := [name for name in wanted if name not in TYPES]:
            words = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
            raise Refusal("InvalidInstanceType", words)
        return {"InstanceTypes": [TYPES[name].described() for name in wanted]}

    def describe_instance_type_offerings(self, asked: Asked) -> Asked:
        kind = asked.get("LocationType", "region")
        region = self._account.region
        places = [region] if kind == "region" else [f"{region}a", f"{region}b"]
        found = [
            {"InstanceType": name, "LocationType": kind, "Location": place}
            for name in sorted(TYPES)
            for place in places
        ]
        reads = {"instance-type": lambda one: one["InstanceType"], "location": lambda one: one["Location"]}
        return {"InstanceTypeOfferings": filtered(found, asked, reads)}

    def describe_spot_price_history(self, asked: Asked) -> Asked:
        found = [
            {
                "InstanceType": name,
                "AvailabilityZone": f"{self._account.region}a",
                "ProductDescription": "Linux/UNIX",
                "SpotPrice": f"{TYPES[name].cpus * 0.05 * SPOT_SHARE:.6f}",
                "Timestamp": self._account.timeline.moment,
            }
            for name in asked.get("InstanceTypes", sorted(TYPES))
        ]
        return {"SpotPriceHistory": found}

    def describe_instances(self, asked: Asked) -> Asked:
        wanted = asked.get("InstanceIds")
        if wanted and (missing := set(wanted) - set(self.instances)):
            raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{min(missing)}' does not exist")
        reads: dict[str, Callable[[Any], str]] = {"instance-state-name": lambda one: one["State"]["Name"]}
        found = [self._described(one) for one in self.instances.values() if not wanted or one.name in wanted]
        kept = filtered(found, asked, reads)
        return {"Reservations": [{"ReservationId": f"r-{one['InstanceId'][2:]}", "Instances": [one]} for one in kept]}

    def describe_volumes(self, asked: Asked) -> Asked:
        found = [
            {
                "VolumeId": one.volume,
                "State": "in-use",
                "Tags": as_list(self._account.tags.of(self._account.arn("ec2", f"volume/{one.volume}"))),
                "Attachments": [{"InstanceId": one.name, "VolumeId": one.volume, "State": "attached"}],
            }
            for one in self.instances.values()
            if one.state != "terminated"
        ]
        wanted = asked.get("VolumeIds")
        if wanted and (missing := set(wanted) - {str(one["VolumeId"]) for one in found}):
            raise Refusal("InvalidVolume.NotFound", f"The volume '{min(missing)}' does not exist.")
        kept = filtered(found, asked, {})
        return {"Volumes": [one for one in kept if not wanted or one["VolumeId"] in wanted]}

    def make_security_group(self, name: str, properties: Asked, tags: dict[str, str]) -> None:
        arn = self._account.arn("ec2", f"security-group/{name}")
        self.security_groups.add(name, properties)
        self._account.tags.put(arn, tags)

    def drop_security_group(self, name: str) -> None:
        self.security_groups.get(name)
        if any(one.state != "terminated" and name in one.security_groups for one in self.instances.values()):
            raise Refusal("DependencyViolation", f"resource {name} has a dependent object")
        self.security_groups.remove(name)
        self._account.tags.drop(self._account.arn("ec2", f"security-group/{name}"))

    def _described(self, one: Instance) -> Asked:
        return {
            "InstanceId": one.name,
            "InstanceType": one.kind.name,
            "State": {"Name": one.state},
            "LaunchTime": one.launched,
            "Placement": {"AvailabilityZone": one.zone},
            "Tags": as_list(one.tags),
        } | ({"InstanceLifecycle": "spot"} if one.spot else {})
