"""Implements EC2: network, instance types, instances and their volumes, launch templates, security groups."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.filters import filtered
from tests.fleet.double.instance import TYPES, Instance
from tests.fleet.double.resource_table import ResourceTable
from tests.fleet.double.tags import as_list

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
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
        """Whether subnets assign public addresses to instances."""
        self.gateway = "igw-0aaaaaaaaaaaaaaaa"
        """The default route's target; empty for no way out."""
        self.endpoints: list[str] = []
        """Names of services that have an endpoint in the VPC."""
        self.public_access_mode = "off"
        """The account's mode of VPC Block Public Access."""
        self.excluded: list[str] = []
        """Ids of the VPCs and subnets that are excluded from it."""
        self.default_key = "alias/aws/ebs"
        """The account's default key for volumes."""
        self.key_lets_auto_scaling = False
        """Whether the policy of a customer's key lets Auto Scaling's role use it."""
        self.instances: dict[str, Instance] = {}
        timeline = account.timeline
        self.templates: ResourceTable[Document] = ResourceTable(
            timeline, lambda name: ApiError("InvalidLaunchTemplateId.NotFound", f"launch template {name}")
        )
        self.security_groups: ResourceTable[Document] = ResourceTable(
            timeline, lambda name: ApiError("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
        )

    def describe_vpcs(self, request: Document) -> Document:
        vpc = {"VpcId": VPC, "IsDefault": self.default_vpc, "CidrBlock": "10.0.0.0/16", "State": "available"}
        wanted = request.get("VpcIds")
        if wanted and wanted != [VPC]:
            raise ApiError("InvalidVpcID.NotFound", f"The vpc ID '{wanted[0]}' does not exist")
        reads = {"is-default": lambda one: str(one["IsDefault"]).lower(), "vpc-id": lambda one: one["VpcId"]}
        return {"Vpcs": filtered([vpc], request, reads)}

    def describe_subnets(self, request: Document) -> Document:
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
        if missing := set(request.get("SubnetIds", [])) - set(SUBNETS):
            raise ApiError("InvalidSubnetID.NotFound", f"The subnet ID '{min(missing)}' does not exist")
        reads: dict[str, Callable[[Any], str]] = {
            "vpc-id": lambda one: one["VpcId"],
            "default-for-az": lambda one: str(one["DefaultForAz"]).lower(),
            "subnet-id": lambda one: one["SubnetId"],
            "state": lambda one: one["State"],
        }
        wanted = request.get("SubnetIds")
        return {"Subnets": [one for one in filtered(found, request, reads) if not wanted or one["SubnetId"] in wanted]}

    def describe_route_tables(self, request: Document) -> Document:
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
        return {"RouteTables": filtered([table], request, {"vpc-id": lambda one: one["VpcId"]})}

    def describe_vpc_endpoints(self, request: Document) -> Document:
        found = [
            {"ServiceName": f"com.amazonaws.{self._account.region}.{name}", "VpcId": VPC, "State": "available"}
            | {"VpcEndpointType": "Interface", "PrivateDnsEnabled": True}
            for name in self.endpoints
        ]
        return {"VpcEndpoints": filtered(found, request, {"vpc-id": lambda one: one["VpcId"]})}

    def describe_vpc_block_public_access_options(self, _: Document) -> Document:
        return {"VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": self.public_access_mode}}

    def describe_vpc_block_public_access_exclusions(self, _: Document) -> Document:
        found = [
            {
                "ResourceArn": self._account.arn("ec2", f"{'vpc' if name.startswith('vpc-') else 'subnet'}/{name}"),
                "InternetGatewayExclusionMode": "allow-bidirectional",
                "State": "create-complete",
            }
            for name in self.excluded
        ]
        return {"VpcBlockPublicAccessExclusions": found}

    def get_ebs_default_kms_key_id(self, _: Document) -> Document:
        return {"KmsKeyId": self.default_key}

    def describe_instance_types(self, request: Document) -> Document:
        wanted = request.get("InstanceTypes") or sorted(TYPES)
        if unknown := [name for name in wanted if name not in TYPES]:
            message = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
            raise ApiError("InvalidInstanceType", message)
        found = [TYPES[name].to_answer() for name in wanted]
        reads: dict[str, Callable[[Any], str]] = {
            "free-tier-eligible": lambda one: str(one["FreeTierEligible"]).lower(),
            "processor-info.supported-architecture": lambda one: one["ProcessorInfo"]["SupportedArchitectures"][0],
        }
        return {"InstanceTypes": filtered(found, request, reads)}

    def describe_instance_type_offerings(self, request: Document) -> Document:
        kind = request.get("LocationType", "region")
        region = self._account.region
        crash_points = [region] if kind == "region" else [f"{region}a", f"{region}b"]
        found = [
            {"InstanceType": name, "LocationType": kind, "Location": place}
            for name in sorted(TYPES)
            for place in crash_points
        ]
        reads = {"instance-type": lambda one: one["InstanceType"], "location": lambda one: one["Location"]}
        return {"InstanceTypeOfferings": filtered(found, request, reads)}

    def describe_spot_price_history(self, request: Document) -> Document:
        found = [
            {
                "InstanceType": name,
                "AvailabilityZone": f"{self._account.region}a",
                "ProductDescription": "Linux/UNIX",
                "SpotPrice": f"{TYPES[name].cpus * 0.05 * SPOT_SHARE:.6f}",
                "Timestamp": self._account.timeline.moment,
            }
            for name in request.get("InstanceTypes", sorted(TYPES))
        ]
        return {"SpotPriceHistory": found}

    def describe_instances(self, request: Document) -> Document:
        wanted = request.get("InstanceIds")
        if wanted and (missing := set(wanted) - set(self.instances)):
            raise ApiError("InvalidInstanceID.NotFound", f"The instance ID '{min(missing)}' does not exist")
        reads: dict[str, Callable[[Any], str]] = {"instance-state-name": lambda one: one["State"]["Name"]}
        found = [self._described(one) for one in self.instances.values() if not wanted or one.name in wanted]
        kept = filtered(found, request, reads)
        return {"Reservations": [{"ReservationId": f"r-{one['InstanceId'][2:]}", "Instances": [one]} for one in kept]}

    def describe_volumes(self, request: Document) -> Document:
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
        wanted = request.get("VolumeIds")
        if wanted and (missing := set(wanted) - {str(one["VolumeId"]) for one in found}):
            raise ApiError("InvalidVolume.NotFound", f"The volume '{min(missing)}' does not exist.")
        kept = filtered(found, request, {})
        return {"Volumes": [one for one in kept if not wanted or one["VolumeId"] in wanted]}

    def create_security_group(self, name: str, properties: Document, tags: dict[str, str]) -> None:
        arn = self._account.arn("ec2", f"security-group/{name}")
        self.security_groups.add(name, properties)
        self._account.tags.put(arn, tags)

    def delete_security_group(self, name: str) -> None:
        self.security_groups.get(name)
        if any(one.state != "terminated" and name in one.security_groups for one in self.instances.values()):
            raise ApiError("DependencyViolation", f"resource {name} has a dependent object")
        self.security_groups.remove(name)
        self._account.tags.remove(self._account.arn("ec2", f"security-group/{name}"))

    def _described(self, one: Instance) -> Document:
        return {
            "InstanceId": one.name,
            "InstanceType": one.kind.name,
            "State": {"Name": one.state},
            "LaunchTime": one.launched,
            "Placement": {"AvailabilityZone": one.zone},
            "Tags": as_list(one.tags),
        } | ({"InstanceLifecycle": "spot"} if one.spot else {})
