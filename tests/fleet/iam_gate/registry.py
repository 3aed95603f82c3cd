"""Reads what CloudFormation's public registry says of a resource type: permissions of its handlers, tags, properties.

The schemas are those that the locked cfn-lint ships. A newer lock brings newer schemas, and the tests show what AWS has
changed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any, Final

STEPS: Final = ("create", "read", "update", "delete")
"""The handlers that a stack uses."""
TAGGING: Final = "tagging"
"""Stands for the permissions that a type names for its tags."""
REGIONS: Final = ("us-east-1", "us-gov-west-1", "cn-north-1")
"""One region of each partition in which the types are looked up."""


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """Permissions of a type's handlers that no policy grants, with the reason."""

    type: str
    permissions: str
    reason: str
    reads: bool = False
    """Whether this holds for the read handler too. Otherwise all that it reads is granted."""

    def covers(self, kind: str, permission: str, step: str = "") -> bool:
        """Whether this is about a type and one of its permissions."""
        if step == "read" and not self.reads:
            return False
        return fnmatchcase(kind, self.type) and any(fnmatchcase(permission, one) for one in self.permissions.split())


_TABLES = "dynamodb:DescribeImport dynamodb:ImportTable dynamodb:CreateTableReplica dynamodb:AssociateTableReplica"
_ITEMS = (
    "dynamodb:BatchWriteItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:Scan "
    "dynamodb:UpdateItem"
)
_GROUPS = (
    "autoscaling:EnableMetricsCollection autoscaling:DisableMetricsCollection autoscaling:*NotificationConfiguration "
    "autoscaling:*tachLoadBalancer* autoscaling:*tachTrafficSources autoscaling:*LifecycleHook autoscaling:*Refresh"
)
_BUCKETS = (
    "s3:*Abac s3:*AnalyticsConfiguration s3:*CORS s3:*Cors s3:*InventoryConfiguration s3:*MetricsConfiguration "
    "s3:*Notification s3:*Replication s3:*ReplicationConfiguration s3:*Website s3:*AccelerateConfiguration s3:*Logging "
    "s3:*OwnershipControls s3:*IntelligentTieringConfiguration s3:*ObjectLockConfiguration s3:*Metadata* s3:*Acl "
    "s3:DeleteObject"
)
NOT_NEEDED: Final = (
    NotNeeded("*", "kms:*", "no customer's key encrypts a resource of the templates", reads=True),
    NotNeeded("AWS::ApplicationAutoScaling::ScalableTarget", "lambda:*", "for targets that are Lambda functions"),
    NotNeeded("AWS::ApplicationAutoScaling::ScalableTarget", "*ScheduledAction", "the templates schedule nothing"),
    NotNeeded("AWS::ApplicationAutoScaling::ScalableTarget", "iam:PassRole", "the service-linked role is used"),
    NotNeeded("AWS::AutoScaling::AutoScalingGroup", "managed-fleets:*", "not an action that IAM documents", reads=True),
    NotNeeded("AWS::AutoScaling::AutoScalingGroup", "vpc-lattice:* elasticloadbalancing:*", "no load balancer"),
    NotNeeded("AWS::AutoScaling::AutoScalingGroup", _GROUPS, "the group has none of these"),
    NotNeeded("AWS::AutoScaling::AutoScalingGroup", "ec2:Get* ssm:Get*", "the launch template names its image by id"),
    NotNeeded("AWS::DynamoDB::Table", _TABLES, "the ledger is neither imported nor replicated"),
    NotNeeded("AWS::DynamoDB::Table", _ITEMS, "the calls of an import and of a replica"),
    NotNeeded("AWS::DynamoDB::Table", "*ContributorInsights *KinesisStreamingDestination kinesis:*", "not used"),
    NotNeeded("AWS::DynamoDB::Table", "*ResourcePolicy", "the ledger has none; reading it is granted"),
    NotNeeded("AWS::DynamoDB::Table", "logs:* s3:* iam:CreateServiceLinkedRole", "an import's logs, source and role"),
    NotNeeded("AWS::EC2::SecurityGroup", "ec2:*Ingress", "the group has no rule for what comes in"),
    NotNeeded("AWS::ECR::Repository", "ecr:*RepositoryPolicy", "the repositories have none; reading it is granted"),
    NotNeeded("AWS::ECS::CapacityProvider", "iam:PassRole", "for managed instances, which have a role of their own"),
    NotNeeded("AWS::ECS::Cluster", "ecs:PutAccountSetting*", "it would change a setting of the whole account"),
    NotNeeded("AWS::ECS::Service", "iam:PassRole", "for load balancers and volumes, which the services don't have"),
    NotNeeded("AWS::IAM::Role", "iam:*tachRolePolicy", "no role has a managed policy"),
    NotNeeded("AWS::IAM::Role", "iam:UpdateRoleDescription", "no role has a description"),
    NotNeeded("AWS::Logs::LogGroup", "logs:*DataProtectionPolicy", "none is set; reading it is granted"),
    NotNeeded("AWS::Logs::LogGroup", "logs:*IndexPolicy logs:*ResourcePolicy", "none is set; reading them is granted"),
    NotNeeded("AWS::Logs::LogGroup", "logs:*ssociateKmsKey", "no customer's key"),
    NotNeeded("AWS::Logs::LogGroup", "logs:PutLogGroupDeletionProtection", "log groups are deleted with the fleet"),
    NotNeeded("AWS::Logs::LogGroup", "logs:PutBearerTokenAuthentication", "nobody writes to them without IAM"),
    NotNeeded("AWS::Logs::LogGroup", "logs:CreateLogDelivery firehose:* s3:REST.PUT.OBJECT", "logs go nowhere else"),
    NotNeeded("AWS::S3::Bucket", _BUCKETS, "the store has none of these; reading most of them is granted"),
    NotNeeded("AWS::S3::Bucket", "s3tables:* iam:PassRole", "for tables of metadata and for replication"),
    NotNeeded("AWS::S3::Bucket", "s3:DeleteBucketEncryption s3:DeleteBucketLifecycle", "Put…Configuration allows both"),
    NotNeeded("AWS::S3::Bucket", "s3:DeleteBucketTagging", "s3:PutBucketTagging allows it"),
)
"""Why a policy may lack a permission. Each entry is used: a test fails when AWS drops the permission."""


def permissions(kind: str, step: str) -> list[str]:
    """Return the permissions that the registry names for a handler of a type, or for its tags."""
    schema = _schema(kind)
    part = schema.get(TAGGING, {}) if step == TAGGING else schema["handlers"].get(step, {})
    return sorted(part.get("permissions", []))


def needed(kind: str, step: str) -> list[str]:
    """Return those permissions of a handler that a policy must grant."""
    return [one for one in permissions(kind, step) if not any(each.covers(kind, one, step) for each in NOT_NEEDED)]


def taggable(kind: str) -> bool:
    """Whether CloudFormation puts a stack's tags on resources of the type."""
    return bool(_schema(kind).get(TAGGING, {}).get("taggable", True))


def tag_texts(kind: str) -> dict[str, tuple[int, int]]:
    """Return the lengths that the registry allows for the ``Key`` and the ``Value`` of a type's tags, where it says."""
    schema = _schema(kind)
    name = schema.get(TAGGING, {}).get("tagProperty", "/properties/Tags").removeprefix("/properties/")
    reference = str(schema["properties"][name]["items"]["$ref"])
    texts = schema["definitions"][reference.removeprefix("#/definitions/")]["properties"]
    return {
        text: (int(texts[text].get("minLength", 0)), int(texts[text]["maxLength"]))
        for text in ("Key", "Value")
        if "maxLength" in texts[text]
    }


def required(kind: str) -> set[str]:
    """Return the properties that a template must set."""
    return set(_schema(kind).get("required", []))


def read_only(kind: str) -> set[str]:
    """Return the names of properties that a template can't set."""
    return {path.split("/")[2] for path in _schema(kind).get("readOnlyProperties", []) if path.count("/") == 2}


def exists(kind: str, region: str) -> bool:
    """Whether a region has the type."""
    return kind in _types(region)


def _schema(kind: str) -> Mapping[str, Any]:
    return _load(_types(REGIONS[0])[kind])


@cache
def _types(region: str) -> Mapping[str, str]:
    folder = resources.files("cfnlint") / "data/schemas/providers"
    found: Mapping[str, str] = json.loads((folder / f"{region}.json").read_text(encoding="utf-8"))
    return found


@cache
def _load(digest: str) -> Mapping[str, Any]:
    folder = resources.files("cfnlint") / "data/schemas/resources"
    found: Mapping[str, Any] = json.loads((folder / f"{digest}.json").read_text(encoding="utf-8"))
    return found
