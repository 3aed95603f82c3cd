"""Turns a template's resources into the API requests that CloudFormation makes to create them.

The names of properties and of an API's members differ in a few places; each difference is a line here. A property that
no request takes is an error, so that no new property goes unchecked.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.template_rendering import Resources

Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One API request. Members may differ from the API's own in case. ``resource`` is the logical id."""

    resource: str
    service: str
    operation: str
    members: Properties


def requests_of(resources: Resources) -> Iterator[Request]:
    """Yield the requests that create these rendered resources."""
    for name, one in resources.items():
        for service, operation, members in _REQUESTS[one["Type"]](one.get("Properties", {})):
            yield Request(name, service, operation, members)


_Calls = Iterator[tuple[str, str, Properties]]


def _plain(service: str, operation: str) -> Callable[[Properties], _Calls]:
    """Return the request of a type whose properties are the operation's members."""

    def calls(properties: Properties) -> _Calls:
        yield service, operation, properties

    return calls


def _without(properties: Properties, *names: str) -> Properties:
    return {key: value for key, value in properties.items() if key not in names}


def _text(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _queue(properties: Properties) -> _Calls:
    attributes = {key: _text(value) for key, value in _without(properties, "QueueName", "Tags").items()}
    yield "sqs", "CreateQueue", {"QueueName": properties["QueueName"], "Attributes": attributes}


def _queue_policy(properties: Properties) -> _Calls:
    for url in properties["Queues"]:
        policy = {"Policy": _text(properties["PolicyDocument"])}
        yield "sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": policy}


def _table(properties: Properties) -> _Calls:
    apart = ("TimeToLiveSpecification", "PointInTimeRecoverySpecification")
    yield "dynamodb", "CreateTable", _without(properties, *apart)
    table = properties["TableName"]
    if expiry := properties.get(apart[0]):
        yield "dynamodb", "UpdateTimeToLive", {"TableName": table, apart[0]: expiry}
    if recovery := properties.get(apart[1]):
        yield "dynamodb", "UpdateContinuousBackups", {"TableName": table, apart[1]: recovery}


def _bucket(properties: Properties) -> _Calls:
    bucket = {"Bucket": properties["BucketName"]}
    apart = {
        "BucketEncryption": ("PutBucketEncryption", "ServerSideEncryptionConfiguration"),
        "PublicAccessBlockConfiguration": ("PutPublicAccessBlock", "PublicAccessBlockConfiguration"),
        "LifecycleConfiguration": ("PutBucketLifecycleConfiguration", "LifecycleConfiguration"),
        "VersioningConfiguration": ("PutBucketVersioning", "VersioningConfiguration"),
    }
    yield "s3", "CreateBucket", {**bucket, **_without(properties, "BucketName", "Tags", *apart)}
    for name, (operation, member) in apart.items():
        if name in properties:
            yield "s3", operation, {**bucket, member: _bucket_setting(name, properties[name])}


def _bucket_setting(name: str, value: Properties) -> Properties:
    if name == "BucketEncryption":
        return {"Rules": value["ServerSideEncryptionConfiguration"]}
    if name == "LifecycleConfiguration":
        return {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}
    return value


def _lifecycle_rule(rule: Properties) -> Properties:
    made = dict(_without(rule, "ExpirationInDays", "NoncurrentVersionExpiration", "ExpiredObjectDeleteMarker"))
    expiry = {"Days": rule.get("ExpirationInDays"), "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker")}
    if chosen := {key: value for key, value in expiry.items() if value is not None}:
        made["Expiration"] = chosen
    if "NoncurrentVersionExpiration" in rule:
        made["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    return made


def _bucket_policy(properties: Properties) -> _Calls:
    yield "s3", "PutBucketPolicy", {"Bucket": properties["Bucket"], "Policy": _text(properties["PolicyDocument"])}


def _repository(properties: Properties) -> _Calls:
    # EmptyOnDelete is CloudFormation's own: it deletes the repository with force.
    yield "ecr", "CreateRepository", _without(properties, "LifecyclePolicy", "EmptyOnDelete")
    text = properties["LifecyclePolicy"]["LifecyclePolicyText"]
    named = {"repositoryName": properties["RepositoryName"]}
    yield "ecr", "PutLifecyclePolicy", {**named, "lifecyclePolicyText": text}


def _log_group(properties: Properties) -> _Calls:
    yield "logs", "CreateLogGroup", _without(properties, "RetentionInDays")
    yield "logs", "PutRetentionPolicy", properties


def _role(properties: Properties) -> _Calls:
    trust = {"AssumeRolePolicyDocument": _text(properties["AssumeRolePolicyDocument"])}
    yield "iam", "CreateRole", {**_without(properties, "Policies"), **trust}
    for policy in properties["Policies"]:
        yield "iam", "PutRolePolicy", {**policy, "PolicyDocument": _text(policy["PolicyDocument"])}


def _instance_profile(properties: Properties) -> _Calls:
    for role in properties["Roles"]:
        yield "iam", "AddRoleToInstanceProfile", {"RoleName": role}


def _security_group(properties: Properties) -> _Calls:
    described = {"Description": properties["GroupDescription"]}
    yield "ec2", "CreateSecurityGroup", {**_without(properties, "GroupDescription", "SecurityGroupEgress"), **described}
    rules = [_permission(rule) for rule in properties["SecurityGroupEgress"]]
    yield "ec2", "AuthorizeSecurityGroupEgress", {"IpPermissions": rules}


def _permission(rule: Properties) -> Properties:
    ranges = {"CidrIp": "IpRanges", "CidrIpv6": "Ipv6Ranges"}
    kind = next(name for name in ranges if name in rule)
    one = {key: rule[key] for key in (kind, "Description") if key in rule}
    return {**_without(rule, kind, "Description"), ranges[kind]: [one]}


def _launch_template(properties: Properties) -> _Calls:
    data = dict(properties["LaunchTemplateData"])
    data["UserData"] = "\n".join(data["UserData"])
    yield "ec2", "CreateLaunchTemplate", {**properties, "LaunchTemplateData": data}


def _group(properties: Properties) -> _Calls:
    yield "autoscaling", "CreateAutoScalingGroup", _joined(properties, "VPCZoneIdentifier")


def _joined(properties: Properties, name: str) -> Properties:
    values: Sequence[str] = properties[name]
    return {**properties, name: ",".join(values)}


def _scaling_policy(properties: Properties) -> _Calls:
    # The target's id has the namespace, the resource and the dimension.
    yield "application-autoscaling", "PutScalingPolicy", _without(properties, "ScalingTargetId")


_REQUESTS: Final[Mapping[str, Callable[[Properties], _Calls]]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _plain("application-autoscaling", "RegisterScalableTarget"),
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::AutoScaling::AutoScalingGroup": _group,
    "AWS::CloudWatch::Alarm": _plain("cloudwatch", "PutMetricAlarm"),
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::LaunchTemplate": _launch_template,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::ECR::Repository": _repository,
    "AWS::ECS::CapacityProvider": _plain("ecs", "CreateCapacityProvider"),
    "AWS::ECS::Cluster": _plain("ecs", "CreateCluster"),
    "AWS::ECS::ClusterCapacityProviderAssociations": _plain("ecs", "PutClusterCapacityProviders"),
    "AWS::ECS::Service": _plain("ecs", "CreateService"),
    "AWS::ECS::TaskDefinition": _plain("ecs", "RegisterTaskDefinition"),
    "AWS::IAM::InstanceProfile": _instance_profile,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
}
