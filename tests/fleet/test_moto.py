"""The verbs' adapters against moto, an independent model of AMIs, networks, groups, scaling and images.

The resources are created from the compute template's own properties, so moto checks these as well. It does not
simulate ECS, CloudFormation and PartiQL truthfully; the double in this package does.
"""

import json
from collections.abc import Iterator
from functools import cache

import boto3
import pytest
from moto import mock_aws

from cloudkon.aws.account import find_account
from cloudkon.aws.connection import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.waker import EcsWaker, Scaling, find_scaling
from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.resources.account_stacks import AccountStacks
from fleet.aws.resources.auto_scaling_group import (
    AutoScalingGroup,
    change_group,
    find_group,
    find_instances,
    restore_group_settings,
    unprotect,
)
from fleet.aws.resources.compute_parameters import AMI_PARAMETER
from fleet.aws.resources.ecr import find_published_image, is_published, newest_image, repository_uri
from fleet.aws.resources.instance_types import describe_instance_types
from fleet.aws.resources.network import find_network
from fleet.aws.scaling import suspend
from tests.fleet.fleet_steps import IGNORE_REPORT
from tests.fleet.moto_account import FLEET, MAX_INSTANCES, REGION, TYPE, WORKER_MAX, WORKER_MIN, MotoAccount

SETTINGS = Settings(target="aws", fleet=FLEET, region=REGION)


@cache
def session() -> boto3.Session:
    """One session for all: each would read the services' models again, which takes tenths of a second."""
    return boto3.Session(aws_access_key_id="moto", aws_secret_access_key="moto", region_name=REGION)


@pytest.fixture
def control() -> Iterator[ControlPlane]:
    with mock_aws():
        yield ControlPlane(Connection(SETTINGS, session))


@pytest.fixture
def moto(control: ControlPlane) -> MotoAccount:
    return MotoAccount(control)


async def the_group(control: ControlPlane) -> AutoScalingGroup:
    """Return the fleet's group as the verbs read it."""
    found = await find_group(control, FLEET)
    assert found
    return found


async def test_ami_parameters_of_both_architectures_exist(
    control: ControlPlane,
) -> None:
    names = [AMI_PARAMETER.format(path) for path in ("", "arm64/")]
    found = await control.call("ssm", "get_parameters", Names=names)
    assert {one["Name"] for one in found["Parameters"]} == {*names}
    assert all(one["Value"].startswith("ami-") for one in found["Parameters"])


async def test_instance_types_are_read_from_ec2(control: ControlPlane) -> None:
    (machine,) = await describe_instance_types(control, ["c7g.large"])
    assert (machine.vcpus, machine.memory, machine.architectures) == (2, 4096, ("arm64",))
    with pytest.raises(InvalidInput, match=r"c7i\.huge"):
        await describe_instance_types(control, ["c7i.huge"])


async def test_default_vpc_is_usable_once_it_has_a_way_out(control: ControlPlane) -> None:
    with pytest.raises(InvalidInput, match="no way out"):
        await find_network(control, "", (), [TYPE])

    (vpc,) = (await control.call("ec2", "describe_vpcs"))["Vpcs"]
    gateway = (await control.call("ec2", "create_internet_gateway"))["InternetGateway"]["InternetGatewayId"]
    await control.call("ec2", "attach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc["VpcId"])
    (table,) = (await control.call("ec2", "describe_route_tables"))["RouteTables"]
    way = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    await control.call("ec2", "create_route", RouteTableId=table["RouteTableId"], **way)

    found = await find_network(control, "", (), [TYPE])
    assert found.vpc == vpc["VpcId"]
    assert {subnet.way_out for subnet in found.subnets} == {f"public addresses and {gateway}"}
    zones = {subnet.zone for subnet in found.subnets}
    assert "us-east-1a" in zones
    assert "us-east-1e" not in zones, "it has no instances of that type"


async def test_group_created_from_the_template_is_found_by_its_tag(moto: MotoAccount) -> None:
    await moto.make_group()
    group = await the_group(moto.control)
    assert (group.desired, group.most, group.protects_new, group.instances) == (0, MAX_INSTANCES, True, ())
    assert not group.deleting
    assert await find_group(moto.control, "another") is None


async def test_instances_have_the_fleets_tag_and_survive_scale_in_while_protected(moto: MotoAccount) -> None:
    await moto.make_group()
    await change_group(moto.control, await the_group(moto.control), DesiredCapacity=2)

    group = await the_group(moto.control)
    assert [(one.in_service, one.type, one.protected) for one in group.instances] == [(True, TYPE, True)] * 2
    instances = await find_instances(moto.control, FLEET)
    assert {one.id for one in instances} == {one.id for one in group.instances}
    assert {(one.type, one.state, one.spot) for one in instances} == {(TYPE, "running", False)}
    assert await find_instances(moto.control, "another") == []

    none = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
    await change_group(moto.control, group, **none)
    assert len(await find_instances(moto.control, FLEET)) == 2
    await unprotect(moto.control, group)
    await change_group(moto.control, group, **none)
    assert await find_instances(moto.control, FLEET) == []


async def test_scale_in_protection_is_removed_and_restored(moto: MotoAccount) -> None:
    control = moto.control
    await moto.make_group()
    await change_group(control, await the_group(control), DesiredCapacity=2)

    assert await unprotect(control, await the_group(control))
    assert not any(one.protected for one in (await the_group(control)).instances)
    assert not await unprotect(control, await the_group(control)), "there is nothing more to take off"

    await change_group(control, await the_group(control), NewInstancesProtectedFromScaleIn=False)
    assert not (await the_group(control)).protects_new
    await restore_group_settings(control, (await the_group(control)).name, IGNORE_REPORT)
    assert (await the_group(control)).protects_new
    assert (await the_group(control)).suspended == {"AZRebalance"}


async def test_instances_require_imdsv2_and_encrypt_volumes(moto: MotoAccount) -> None:
    template = await moto.make_group()
    answer = await moto.control.call("ec2", "describe_launch_template_versions", LaunchTemplateId=template)
    (version,) = answer["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    assert data["InstanceType"] == TYPE
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (volume,) = data["BlockDeviceMappings"]
    assert volume["Ebs"]["Encrypted"] is True


async def test_suspended_range_keeps_its_bounds(moto: MotoAccount) -> None:
    control = moto.control
    await moto.make_service()
    assert await find_scaling(control, FLEET, "worker") is None
    assert not await suspend(control, FLEET, "worker", suspended=True), "there is nothing to suspend"

    await moto.make_scaling()
    assert await find_scaling(control, FLEET, "worker") == Scaling(WORKER_MIN, WORKER_MAX, suspended=False)
    assert await suspend(control, FLEET, "worker", suspended=True)
    assert await find_scaling(control, FLEET, "worker") == Scaling(WORKER_MIN, WORKER_MAX, suspended=True)
    assert not await suspend(control, FLEET, "worker", suspended=True)
    assert await suspend(control, FLEET, "worker", suspended=False)
    assert await find_scaling(control, FLEET, "worker") == Scaling(WORKER_MIN, WORKER_MAX, suspended=False)


@pytest.mark.parametrize(("chunks", "workers"), [(220, 5), (1, 1), (10_000, WORKER_MAX)])
async def test_push_wakes_the_count_that_the_policy_computes(moto: MotoAccount, chunks: int, workers: int) -> None:
    await moto.make_service()
    await moto.make_scaling()
    reports = await EcsWaker(moto.control.connection).wake({"worker": chunks})
    assert reports == (f"pool worker was at zero: {workers} workers are being started",)
    answer = await moto.control.call("ecs", "describe_services", cluster=FLEET, services=["worker"])
    assert answer["services"][0]["desiredCount"] == workers


async def test_images_are_found_by_their_immutable_tags(moto: MotoAccount) -> None:
    control = moto.control
    stacks = AccountStacks(SETTINGS, await control.connection.call(find_account, control.connection), control)
    with pytest.raises(InvalidInput, match=f"repository {FLEET}/worker"):
        await find_published_image(stacks, WORKER, "one")

    await moto.make_repository()
    assert await find_published_image(stacks, WORKER, "one") is None
    assert await newest_image(stacks, WORKER) is None

    async def push(layer: str, tag: str) -> None:
        named = {"repositoryName": f"{FLEET}/worker", "imageTag": tag}
        await control.call("ecr", "put_image", **named, imageManifest=manifest(layer))

    await push("first", "one")
    assert await newest_image(stacks, WORKER) == await find_published_image(stacks, WORKER, "one")
    await push("second", "two")
    one, two = await find_published_image(stacks, WORKER, "one"), await find_published_image(stacks, WORKER, "two")
    assert one
    assert two
    assert one.digest != two.digest
    assert await is_published(stacks, WORKER, f"{repository_uri(stacks, WORKER)}:two")
    assert not await is_published(stacks, WORKER, f"{repository_uri(stacks, WORKER)}:three")
    with pytest.raises(ServiceError) as refused:
        await push("third", "one")
    # AWS's error for an immutable tag is ImageTagAlreadyExists, moto's is ImageAlreadyExists.
    assert refused.value.code.endswith("AlreadyExistsException")


def manifest(layer: str) -> str:
    """Return the manifest of an image with one layer (image manifest version 2, schema 2)."""
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    layers = [{"size": len(layer), "digest": f"sha256:{layer.encode().hex():0>64}"}]
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "layers": layers})
