"""Translates a call of boto3 into what IAM is asked for it: actions, resources and condition keys."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tests.fleet.iam_gate.judge import Request, Target
from tests.fleet.iam_gate.place import SOME, TAG, Place
from tests.fleet.iam_gate.service_authorization import find_action

Arguments = Mapping[str, Any]
"""A call's arguments, as boto3 takes them."""

PREFIXES: Final = {"resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas"}
"""IAM's names of services that botocore names differently."""
OTHER_ACTIONS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("s3", "CompleteMultipartUpload"): ("s3:PutObject",),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject",),
    ("s3", "DeleteObjects"): ("s3:DeleteObject",),
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "HeadObject"): ("s3:GetObject",),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "UploadPart"): ("s3:PutObject",),
    ("sqs", "ChangeMessageVisibilityBatch"): ("sqs:ChangeMessageVisibility",),
    ("sqs", "DeleteMessageBatch"): ("sqs:DeleteMessage",),
    ("sqs", "SendMessageBatch"): ("sqs:SendMessage",),
}
"""Operations whose action has another name (each service's list of API permissions)."""
PARTIQL: Final = {"SELECT": "PartiQLSelect", "INSERT": "PartiQLInsert", "UPDATE": "PartiQLUpdate"}
"""The actions of statements (DynamoDB Developer Guide, IAM security policies with PartiQL for DynamoDB)."""


def requests_of(service: str, operation: str, arguments: Arguments, place: Place) -> Iterator[Request]:
    """Yield what IAM is asked for a call."""
    prefix = PREFIXES.get(service, service)
    targets = tuple(_TARGETS[prefix](arguments, place)) if prefix in _TARGETS else ()
    for action in actions(service, operation, arguments):
        yield Request(action, targets, _context(prefix, arguments, place))


def actions(service: str, operation: str, arguments: Arguments) -> Iterator[str]:
    """Yield the actions that a call needs."""
    if operation in ("BatchExecuteStatement", "ExecuteStatement"):
        yield from sorted({f"dynamodb:{PARTIQL[text.split()[0].upper()]}" for text in _statements(arguments)})
        return
    prefix = PREFIXES.get(service, service)
    yield from OTHER_ACTIONS.get((service, operation), (f"{prefix}:{operation}",))
    if service == "s3" and any("VersionId" in one for one in arguments.get("Delete", {}).get("Objects", ())):
        yield "s3:DeleteObjectVersion"
    # Tags in a request that creates something are a second action.
    tagging = f"{prefix}:TagResource"
    if operation.startswith("Create") and {"Tags", "tags"} & arguments.keys() and find_action(tagging):
        yield tagging


def _context(service: str, arguments: Arguments, place: Place) -> dict[str, str]:
    tags = {one.get("Key", one.get("key", "")): one.get("Value", one.get("value", "")) for one in _tags(arguments)}
    context = {f"aws:requesttag/{TAG}": tags[TAG]} if TAG in tags else {}
    if service == "ecs" and "cluster" in arguments:
        context["ecs:cluster"] = place.target("ecs", "cluster", arguments["cluster"]).arn
    if service == "iam" and "AWSServiceName" in arguments:
        context["iam:awsservicename"] = arguments["AWSServiceName"]
    if service == "application-autoscaling":
        for key, name in (("service-namespace", "ServiceNamespace"), ("scalable-dimension", "ScalableDimension")):
            if name in arguments:
                context[f"{service}:{key}"] = arguments[name]
    return context


def _tags(arguments: Arguments) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = arguments.get("Tags", arguments.get("tags", []))
    return found if isinstance(found, list) else []


def _statements(arguments: Arguments) -> list[str]:
    return [one["Statement"] for one in arguments.get("Statements", [arguments])]


def _values(arguments: Arguments, *names: str) -> Iterator[str]:
    """Yield the values of the arguments that a call has, from lists too."""
    for name in names:
        value = arguments.get(name, ())
        yield from [value] if isinstance(value, str) else value


def _stacks(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in _values(arguments, "StackName"):
        yield place.target("cloudformation", "stack", name, *(() if name.startswith("arn:") else (SOME,)))
    for name in _values(arguments, "ChangeSetName"):
        yield place.target("cloudformation", "changeset", name, *(() if name.startswith("arn:") else (SOME,)))


def _ecs(arguments: Arguments, place: Place) -> Iterator[Target]:
    cluster = arguments.get("cluster", place.fleet)
    for name in (*_values(arguments, "clusters"), cluster):
        yield place.target("ecs", "cluster", name)
    for kind, names in (
        ("service", ("service", "services")),
        ("task", ("task", "tasks")),
        ("container-instance", ("containerInstance", "containerInstances")),
    ):
        for name in _values(arguments, *names):
            yield place.target("ecs", kind, *((name,) if name.startswith("arn:") else (cluster, name)))
    for name in _values(arguments, "capacityProvider", "capacityProviders"):
        yield place.target("ecs", "capacity-provider", name)
    if not {"containerInstance", "containerInstances"} & arguments.keys():
        # ListTasks can be limited to an instance, and is about all instances of the cluster otherwise.
        yield place.target("ecs", "container-instance", cluster, SOME)


def _group(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in _values(arguments, "AutoScalingGroupName"):
        yield place.target("autoscaling", "autoScalingGroup", SOME, name)


def _scalable(arguments: Arguments, place: Place) -> Iterator[Target]:
    if "ResourceId" in arguments:
        yield place.target("application-autoscaling", "ScalableTarget", SOME)


def _queues(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in _values(arguments, "QueueUrl", "QueueName"):
        yield place.target("sqs", "queue", name.rpartition("/")[2])


def _tables(arguments: Arguments, place: Place) -> Iterator[Target]:
    texts = "\n".join(_statements(arguments)) if {"Statement", "Statements"} & arguments.keys() else ""
    for name in {*_values(arguments, "TableName"), *re.findall(r'(?:FROM|INTO|UPDATE) "([^"]+)"', texts)}:
        yield place.target("dynamodb", "table", name)


def _objects(arguments: Arguments, place: Place) -> Iterator[Target]:
    for bucket in _values(arguments, "Bucket"):
        yield place.target("s3", "bucket", bucket)
        deleted = [one["Key"] for one in arguments.get("Delete", {}).get("Objects", ())]
        for key in (*_values(arguments, "Key"), *deleted):
            yield place.target("s3", "object", bucket, key)


def _repositories(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in _values(arguments, "repositoryName", "repositoryNames"):
        yield place.target("ecr", "repository", name)


def _log_groups(arguments: Arguments, place: Place) -> Iterator[Target]:
    """Both forms of a group's ARN: documents disagree which actions are judged on the one that ends in ``:*``."""
    for name in _values(arguments, "logGroupName"):
        yield place.target("logs", "log-group", name)
        yield place.target("logs", "log-group", f"{name}:*")
        yield place.target("logs", "log-stream", name, arguments.get("logStreamName", SOME))


def _alarms(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in (*_values(arguments, "AlarmNames", "AlarmName"), *_values(arguments, "AlarmNamePrefix")):
        yield place.target("cloudwatch", "alarm", name)


def _roles(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in _values(arguments, "AWSServiceName"):
        yield place.target("iam", "role", f"aws-service-role/{name}/AWSServiceRole")


def _topics(arguments: Arguments, place: Place) -> Iterator[Target]:
    for arn in _values(arguments, "TopicArn"):
        yield place.target("sns", "topic", arn)


def _parameters(arguments: Arguments, place: Place) -> Iterator[Target]:
    for name in _values(arguments, "Names", "Name"):
        # AWS's own parameters belong to no account (Systems Manager User Guide, public parameters).
        arn = place.target("ssm", "parameter", name.lstrip("/")).arn
        yield Target("parameter", arn.replace(f":{place.account}:", "::"))


_TARGETS: Final[Mapping[str, Callable[[Arguments, Place], Iterable[Target]]]] = {
    "application-autoscaling": _scalable,
    "autoscaling": _group,
    "cloudformation": _stacks,
    "cloudwatch": _alarms,
    "dynamodb": _tables,
    "ecr": _repositories,
    "ecs": _ecs,
    "iam": _roles,
    "logs": _log_groups,
    "s3": _objects,
    "sns": _topics,
    "sqs": _queues,
    "ssm": _parameters,
}
