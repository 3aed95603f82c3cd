"""Each policy allows what its verbs call and what CloudFormation does for them, and no more than it says."""

import json

import pytest

from tests.fleet.double.template import Template
from tests.fleet.templates.handlers import HANDLERS
from tests.fleet.templates.permissions import POLICIES, POLICIES_OF, allows, listed, missing, mistakes, policy
from tests.support.template_rendering import text_of

LARGEST = 6144
"""Characters of a managed policy, without spaces (IAM User Guide, IAM and AWS STS quotas)."""
NAMES = sorted(path.stem for path in POLICIES.glob("*.json"))


def test_every_policy_belongs_to_a_verb() -> None:
    assert {name for names in POLICIES_OF.values() for name in names} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_policy_fits_the_size_limit(name: str) -> None:
    written = policy(name)
    assert len(json.dumps(written, separators=(",", ":"))) <= LARGEST
    assert list(mistakes(written["Statement"])) == []


@pytest.mark.parametrize("name", NAMES)
def test_policy_can_be_adapted_to_another_fleet_as_documented(name: str) -> None:
    # docs/permissions.md: s/cloudkon-/pictures-/g; s/\\/cloudkon/\\/pictures/g
    assert "cloudkon" not in json.dumps(policy(name)).replace("cloudkon-", "pictures-").replace(
        "/cloudkon", "/pictures"
    )


@pytest.mark.parametrize("name", NAMES)
def test_changing_policy_is_limited_to_the_fleets_resources(name: str) -> None:
    for statement in policy(name)["Statement"]:
        if statement["Resource"] == "*" and "Condition" not in statement:
            unlimited = {action.partition(":")[2] for action in listed(statement["Action"])}
            assert all(action.startswith(("Describe", "Get", "List")) for action in unlimited - _UNLIMITED), statement
        for resource in listed(statement["Resource"]):
            assert resource == "*" or "cloudkon" in resource or resource in _OTHERS, resource


_UNLIMITED = {
    # This action has no resource.
    "DeregisterTaskDefinition",
    # EC2's stack resources and instances have ids and not names, and get their tags with or after creation.
    *("AuthorizeSecurityGroupEgress", "CreateSecurityGroup", "DeleteSecurityGroup", "RevokeSecurityGroupEgress"),
    *("CreateLaunchTemplate", "CreateLaunchTemplateVersion", "DeleteLaunchTemplate"),
    *("CreateTags", "DeleteTags", "RunInstances"),
}
_OTHERS = {
    "arn:aws:application-autoscaling:*:*:scalable-target/*",
    "arn:aws:ec2:*:*:launch-template/*",
    "arn:aws:ec2:*:*:security-group/*",
    "arn:aws:iam::*:role/aws-service-role/*",
    "arn:aws:ssm:*:*:parameter/aws/service/ecs/optimized-ami/*",
}
"""Statements without resource names: ids that are unknown before creation, and AWS's own resources."""


@pytest.mark.parametrize("name", ["data", "compute"])
def test_up_may_create_update_and_roll_back_each_resource_type(name: str) -> None:
    statements = policy("up")["Statement"]
    for kind in {one["Type"] for one in Template(text_of(name)).resources.values()}:
        needed = {action for step in ("create", "update", "delete") for action in HANDLERS[kind][step].split()}
        assert [action for action in sorted(needed) if not allows(statements, action)] == [], kind


@pytest.mark.parametrize(("name", "verb"), [("compute", "down"), ("data", "down --delete-data")])
def test_down_may_delete_each_resource_type(name: str, verb: str) -> None:
    statements = [one for part in POLICIES_OF[verb] for one in policy(part)["Statement"]]
    for kind in {one["Type"] for one in Template(text_of(name)).resources.values()}:
        needed = HANDLERS[kind]["delete"].split()
        assert [action for action in needed if not allows(statements, action)] == [], kind


def test_down_alone_deletes_no_data() -> None:
    alone = policy("down")["Statement"]
    for action in ("sqs:DeleteQueue", "sqs:PurgeQueue", "dynamodb:DeleteTable", "s3:DeleteBucket", "s3:DeleteObject"):
        assert not allows(alone, action)


@pytest.mark.parametrize("name", ["status", "publish", "client", "scale"])
def test_user_of_the_fleet_can_neither_create_nor_delete_it(name: str) -> None:
    for action in ("cloudformation:ExecuteChangeSet", "iam:PassRole", "ecs:DeleteService", "ec2:RunInstances"):
        assert not allows(policy(name)["Statement"], action)


def test_missing_permission_is_named_by_its_action() -> None:
    assert missing("status", [("ecs", "DescribeServices"), ("ecs", "UpdateService")]) == ["ecs:UpdateService"]
    assert missing("publish", [("s3", "HeadObject"), ("service-quotas", "GetServiceQuota")]) == [
        "s3:GetObject",
        "servicequotas:GetServiceQuota",
    ]


def test_statements_that_iam_would_silently_ignore_are_found() -> None:
    wrong = [
        {"Sid": "A", "Effect": "Allow", "Action": "ecs:UpdateServices", "Resource": "*"},
        {"Sid": "B", "Effect": "Allow", "Action": "ecs:ListServices", "Resource": "arn:aws:ecs:*:*:cluster/cloudkon"},
        {"Sid": "C", "Effect": "Allow", "Action": "ecs:StopTask", "Resource": "arn:aws:ecs:*:*:service/cloudkon/*"},
    ]
    assert [text[0] for text in mistakes(wrong)] == ["A", "B", "C"]
