"""Serves recorded answers to the real verbs and adapters, through botocore's own clients."""

from collections.abc import Mapping
from typing import Any, Final

from cloudkon.aws.account import Account, with_store
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.settings import Settings
from fleet.aws.resources.account_stacks import AccountStacks
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.replay.modelled import SOME_TIME, operation_model
from tests.fleet.replay.operations import ROWS

NUMBER: Final = "123456789012"
REGION: Final = "us-east-1"
FLEET: Final = "some"
ZONE: Final = "us-east-1a"
TASK: Final = f"arn:aws:ecs:{REGION}:{NUMBER}:task/{FLEET}/0123456789abcdef0123456789abcdef"
INSTANCE: Final = f"arn:aws:ecs:{REGION}:{NUMBER}:container-instance/{FLEET}/0123456789abcdef0123456789abcdef"
SERVICE: Final = {
    "serviceName": "worker",
    "status": "ACTIVE",
    "desiredCount": 2,
    "runningCount": 1,
    "pendingCount": 0,
    "taskDefinition": "some-worker:1",
}
GROUP: Final = {"AutoScalingGroupName": "some-group", "DesiredCapacity": 1, "MaxSize": 4}
STACK: Final = {
    "StackName": "some-compute",
    "StackStatus": "CREATE_COMPLETE",
    "CreationTime": SOME_TIME,
    "Parameters": [
        {"ParameterKey": "Fleet", "ParameterValue": FLEET},
        {"ParameterKey": "BucketName", "ParameterValue": "some-bucket"},
    ],
}
USUAL: Final[Mapping[str, Any]] = {
    "autoscaling.DescribeAutoScalingGroups": {"AutoScalingGroups": [GROUP]},
    "cloudformation.DescribeStacks": {"Stacks": [STACK]},
    "ec2.DescribeInstanceTypeOfferings": {"InstanceTypeOfferings": [{"InstanceType": "c7i.large", "Location": ZONE}]},
    "ec2.DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": ZONE}]},
    "ec2.DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1"}]},
    "ecs.DescribeServices": {"services": [SERVICE]},
    "ecs.DescribeTasks": {"tasks": [{"taskArn": TASK, "lastStatus": "RUNNING", "createdAt": SOME_TIME}]},
    "ecs.ListContainerInstances": {"containerInstanceArns": [INSTANCE]},
    "ecs.ListTasks": {"taskArns": [TASK]},
    "logs.DescribeLogStreams": {"logStreams": [{"logStreamName": "worker/worker/0123456789abcdef"}]},
    "sqs.GetQueueUrl": {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{NUMBER}/some-worker"},
    "sts.GetCallerIdentity": {"Account": NUMBER},
}
"""What the account answers to calls that a reader makes besides the one that is tried; to all others, no rows."""


class ServedAccount:
    """Answers each call as ``answers`` says: an answer, an error, or a list of both, of which the last one stays."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        """``answers`` by operation, such as ``ecs.DescribeTasks``."""
        self._answers = {name: [*one] if isinstance(one, list) else [one] for name, one in answers.items()}

    def answer(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  (a backend's)
        """Return the answer, or raise the error."""
        name = f"{service}.{operation}"
        rows = ROWS.get(name)
        left = self._answers.get(name, [USUAL.get(name, {rows: []} if rows else {})])
        found: Any = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, ApiError):
            raise found
        # Whatever form the record had: no more than the model's members reach a reader.
        shape = operation_model(service, operation).output_shape
        return {key: one for key, one in found.items() if shape is not None and key in shape.members}


def serve(answers: Mapping[str, Any]) -> AccountStacks:
    """From now on, an account answers so. Return a fleet in it."""
    ActiveBackend.backend = ServedAccount(answers)
    # Real answers lack what the model calls required: SQS sends no empty list of failures, for example.
    ActiveBackend.skips_response_checks = True
    settings = Settings(target="aws", fleet=FLEET, region=REGION)
    account = Account(NUMBER, REGION)
    return AccountStacks(
        with_store(settings, account), account, ControlPlane(DoubleConnection(settings)), DoubleClock()
    )
