"""Creates resources of the compute template in a moto account, each by the API call for its properties."""

from typing import Any, Final

from cloudkon.aws.control_plane import Answer, ControlPlane
from cloudkon.aws.waker import SCALABLE, resource_id
from tests.fleet.double.property_coercion import request_from_properties
from tests.fleet.double.template import Scope, Template
from tests.support.template_rendering import text_of

ACCOUNT: Final = "123456789012"
"""Moto's account number."""
REGION: Final = "us-east-1"
FLEET: Final = "some"
TYPE: Final = "c7i.large"
MAX_INSTANCES: Final = 3
WORKER_MIN, WORKER_MAX, PER_WORKER = 1, 8, 50


class MotoAccount:
    """The fleet's resources; their ids are noted as they are created, since later ones refer to them."""

    def __init__(self, control: ControlPlane) -> None:
        self.control = control
        self._template = Template(text_of("compute"))
        given = {
            "Fleet": FLEET,
            "BucketName": f"{FLEET}-store",
            "VpcId": "",
            "SubnetIds": "",
            "Creating": "true",
            "InstanceTypes": TYPE,
            "MaxInstances": str(MAX_INSTANCES),
            "WorkerMin": str(WORKER_MIN),
            "WorkerMax": str(WORKER_MAX),
            "WorkerPerWorker": str(PER_WORKER),
        }
        self._parameters = self._template.parameters(given)
        self._attributes: dict[tuple[str, str], str] = {("Cluster", ""): FLEET, ("WorkerService", "Name"): "worker"}

    async def make_group(self) -> str:
        """Create the launch template and the Auto Scaling group in a default subnet; return the template's id."""
        image = await self.control.call("ssm", "get_parameter", Name=self._parameters["AmiId"])
        subnets = (await self.control.call("ec2", "describe_subnets"))["Subnets"]
        place = {"VpcId": subnets[0]["VpcId"], "SubnetIds": subnets[0]["SubnetId"]}
        self._parameters |= {"AmiId": image["Parameter"]["Value"], **place}
        about = {"GroupName": FLEET, "Description": FLEET, "VpcId": place["VpcId"]}
        group = await self.control.call("ec2", "create_security_group", **about)
        profile = await self.control.call("iam", "create_instance_profile", InstanceProfileName=FLEET)
        self._attributes["InstanceSecurityGroup", ""] = group["GroupId"]
        self._attributes["InstanceProfile", "Arn"] = profile["InstanceProfile"]["Arn"]
        made = await self._make("ec2", "CreateLaunchTemplate", "LaunchTemplate", LaunchTemplateName=FLEET)
        identity = str(made["LaunchTemplate"]["LaunchTemplateId"])
        self._attributes |= {("LaunchTemplate", ""): identity, ("LaunchTemplate", "LatestVersionNumber"): "1"}
        # The call accepts a string where the template has a list.
        named = {"AutoScalingGroupName": FLEET, "VPCZoneIdentifier": place["SubnetIds"]}
        await self._make("autoscaling", "CreateAutoScalingGroup", "Group", **named)
        return identity

    async def make_service(self) -> None:
        """Create the workers' service with a count of 0 and few properties: moto's ECS is not the subject."""
        ask = self.control.call
        await ask("ecs", "create_cluster", clusterName=FLEET)
        container = {"name": "worker", "image": "none", "memory": 128}
        await ask("ecs", "register_task_definition", family=FLEET, containerDefinitions=[container])
        await ask("ecs", "create_service", cluster=FLEET, serviceName="worker", taskDefinition=FLEET, desiredCount=0)

    async def make_scaling(self) -> None:
        """Create the service's range and its policy."""
        service = "application-autoscaling"
        await self._make(service, "RegisterScalableTarget", "WorkerScaling")
        self._attributes["WorkerScaling", ""] = ""
        # CloudFormation identifies the target by its id there.
        named = {**SCALABLE, "ResourceId": resource_id(FLEET, "worker"), "ScalingTargetId": None}
        await self._make(service, "PutScalingPolicy", "WorkerBacklogPolicy", **named)

    async def make_repository(self) -> None:
        """Create the repository of the workers' images."""
        # ``EmptyOnDelete`` and the lifecycle policy exist only in CloudFormation.
        await self._make("ecr", "CreateRepository", "WorkerRepository", EmptyOnDelete=None, LifecyclePolicy=None)

    async def _make(self, service: str, operation: str, logical: str, **other: object) -> Answer:
        """Call an operation with a resource's properties; ``other`` ones replace them, ``None`` leaves one out."""
        scope = Scope(self._template, self._parameters, {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT})
        properties: dict[str, Any] = scope.resolve(
            self._template.resources[logical]["Properties"], lambda name, attribute: self._attributes[name, attribute]
        )
        reports = {name: value for name, value in {**properties, **other}.items() if value is not None}
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation)[1:]
        return await self.control.call(service, method, **request_from_properties(service, operation, reports))
