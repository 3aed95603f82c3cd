"""Translates what CloudFormation does for a resource of a stack into what IAM is asked for it.

CloudFormation acts with the permissions of the person who changes the stack. The permissions come from the registry,
the resource's names from the stack.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.fleet.double.resource import Resource
from tests.fleet.iam_gate.judge import Request, Target
from tests.fleet.iam_gate.place import SOME, TAG, Place
from tests.fleet.iam_gate.registry import needed
from tests.fleet.iam_gate.service_authorization import expand

CREATES: Final[Mapping[str, frozenset[str]]] = {
    "ec2:CreateLaunchTemplate": frozenset({"launch-template"}),
    "ec2:CreateSecurityGroup": frozenset({"security-group"}),
    "ec2:RunInstances": frozenset({"instance", "volume"}),
}
"""Actions of EC2 that create something with tags, with the types that get them. IAM is asked for the tags as well."""
LINKED: Final = {
    "AWS::ApplicationAutoScaling": "ecs.application-autoscaling.amazonaws.com",
    "AWS::AutoScaling": "autoscaling.amazonaws.com",
    "AWS::ECS": "ecs.amazonaws.com",
}
"""The service whose service-linked role a handler creates, by the beginning of its type."""
NEW_TAG: Final = f"aws:requesttag/{TAG}"
VIA: Final = {"aws:calledvia": "cloudformation.amazonaws.com"}
INSTANCES: Final = ("image", "instance", "network-interface", "subnet", "volume", "vpc")
"""What starts with an instance, or is there before: not the fleet's, or not yet."""


def handler_requests(resource: Resource, step: str, place: Place) -> Iterator[Request]:
    """Yield what IAM is asked in one step of a resource that has the fleet's tag, or gets it as it is created.

    ``aws:CalledVia`` is left out, since no document promises it for each handler.
    """
    context = _context(resource, place) | {NEW_TAG: place.fleet}
    for action in _actions(resource.kind, step):
        targets = _targets(resource, action, place)
        if action == "iam:PassRole":
            roles = [one for one in targets if one.kind == "role"]
            yield from (Request(action, (role,), context | _passed(role)) for role in roles)
        elif action in ("ec2:CreateTags", "ec2:DeleteTags"):
            own = tuple(one for one in targets if one.kind in ("launch-template", "security-group"))
            if step != "create":
                yield Request(action, own, context)
        else:
            yield Request(action, targets, context)
            if action in CREATES:
                made = tuple(Target(one.kind, one.arn) for one in targets if one.kind in CREATES[action])
                yield Request("ec2:CreateTags", made, {**context, "ec2:createaction": action.partition(":")[2]})


def late_tag_requests(resource: Resource, place: Place) -> Iterator[Request]:
    """Yield what IAM is asked for a security group that is tagged only after all else was done.

    An older handler did so (CloudFormation's public roadmap, issue 714), and no document says that it no longer does.
    """
    group = place.target("ec2", "security-group", resource.physical, own=False)
    rest = (place.target("ec2", "vpc", SOME, own=False), place.target("ec2", "security-group-rule", SOME, own=False))
    for action in ("CreateSecurityGroup", "RevokeSecurityGroupEgress", "AuthorizeSecurityGroupEgress"):
        yield Request(f"ec2:{action}", (group, *rest), VIA)
    yield Request("ec2:CreateTags", (group,), VIA | {NEW_TAG: place.fleet})
    yield Request("ec2:DeleteSecurityGroup", (group,), VIA)


def _actions(kind: str, step: str) -> Iterator[str]:
    for permission in needed(kind, step):
        yield from expand(permission) if "*" in permission else [permission]


def _context(resource: Resource, place: Place) -> dict[str, str]:
    context = {"ecs:cluster": place.target("ecs", "cluster", place.fleet).arn}
    for start, service in LINKED.items():
        if resource.kind.startswith(f"{start}::"):
            context["iam:awsservicename"] = service
    if resource.kind.startswith("AWS::ApplicationAutoScaling::"):
        context["application-autoscaling:service-namespace"] = "ecs"
        context["application-autoscaling:scalable-dimension"] = "ecs:service:DesiredCount"
    return context


def _passed(role: Target) -> dict[str, str]:
    service = "ec2" if "-InstanceRole-" in role.arn else "ecs-tasks"
    return {"iam:passedtoservice": f"{service}.amazonaws.com"}


def _targets(resource: Resource, action: str, place: Place) -> tuple[Target, ...]:
    service = action.partition(":")[0]
    if action == "iam:CreateServiceLinkedRole":
        return (place.target("iam", "role", "aws-service-role/some.amazonaws.com/AWSServiceRole"),)
    return tuple(_TARGETS[service](resource, place)) if service in _TARGETS else ()


def _ecs(resource: Resource, place: Place) -> Iterator[Target]:
    fleet = place.fleet
    yield place.target("ecs", "cluster", fleet)
    if resource.kind == "AWS::ECS::Service":
        yield place.target("ecs", "service", fleet, resource.attributes["Name"])
        yield place.target("ecs", "service-deployment", fleet, resource.attributes["Name"], SOME)
    if resource.kind == "AWS::ECS::TaskDefinition":
        yield place.target("ecs", "task-definition", resource.properties["Family"], "1")
    yield place.target("ecs", "capacity-provider", f"{fleet}-capacity")


def _ec2(resource: Resource, place: Place) -> Iterator[Target]:
    if resource.kind == "AWS::AutoScaling::AutoScalingGroup":
        yield from (place.target("ec2", kind, SOME, own=False) for kind in INSTANCES)
    kind = {"AWS::EC2::SecurityGroup": "security-group", "AWS::EC2::LaunchTemplate": "launch-template"}
    if resource.kind in kind:
        yield place.target("ec2", kind[resource.kind], resource.physical)
    else:
        yield from (place.target("ec2", one, SOME) for one in kind.values())
    if resource.kind == "AWS::EC2::SecurityGroup":
        yield place.target("ec2", "vpc", SOME, own=False)


def _iam(resource: Resource, place: Place) -> Iterator[Target]:
    """A role of its own, or the roles of the stack that the resource is given."""
    roles = [resource.account.iam.roles.names()] if resource.kind != "AWS::IAM::Role" else [[resource.physical]]
    for name in (one for names in roles for one in names):
        yield place.target("iam", "role", name)
    if resource.kind == "AWS::IAM::InstanceProfile":
        yield place.target("iam", "instance-profile", resource.physical)


def _alarms(resource: Resource, place: Place) -> Iterator[Target]:
    """Application Auto Scaling makes the alarms of a policy with the permissions of who makes the policy."""
    name = resource.physical
    if resource.kind != "AWS::CloudWatch::Alarm":
        name = f"TargetTracking-service/{place.fleet}/worker-AlarmHigh-{SOME}"
    yield place.target("cloudwatch", "alarm", name)


def _log_groups(resource: Resource, place: Place) -> Iterator[Target]:
    yield place.target("logs", "log-group", resource.physical)
    yield place.target("logs", "log-group", f"{resource.physical}:*")


def _named(service: str, kind: str, *first: str) -> Callable[[Resource, Place], Iterator[Target]]:
    def targets(resource: Resource, place: Place) -> Iterator[Target]:
        yield place.target(service, kind, *first, resource.physical.rpartition("/")[2])

    return targets


def _bucket(resource: Resource, place: Place) -> Iterator[Target]:
    yield place.target("s3", "bucket", resource.properties.get("BucketName") or resource.properties["Bucket"])


def _queues(resource: Resource, place: Place) -> Iterator[Target]:
    for url in resource.properties.get("Queues", [resource.physical]):
        yield place.target("sqs", "queue", url.rpartition("/")[2])


def _repository(resource: Resource, place: Place) -> Iterator[Target]:
    yield place.target("ecr", "repository", resource.physical)


def _group(resource: Resource, place: Place) -> Iterator[Target]:
    group = resource.physical
    if resource.kind != "AWS::AutoScaling::AutoScalingGroup":
        (group,) = resource.account.autoscaling.groups.names()
    yield place.target("autoscaling", "autoScalingGroup", SOME, group)


_TARGETS: Final[Mapping[str, Callable[[Resource, Place], Iterator[Target]]]] = {
    "application-autoscaling": lambda _, place: iter([place.target("application-autoscaling", "ScalableTarget", SOME)]),
    "autoscaling": _group,
    "cloudwatch": _alarms,
    "dynamodb": _named("dynamodb", "table"),
    "ec2": _ec2,
    "ecr": _repository,
    "ecs": _ecs,
    "iam": _iam,
    "logs": _log_groups,
    "s3": _bucket,
    "sqs": _queues,
}
