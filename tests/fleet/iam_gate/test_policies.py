"""The stored policies are IAM documents that match what they name, within IAM's limits, for any fleet."""

import json
from collections.abc import Sequence

import pytest

from fleet.aws.policies.catalogue import DELETE_DATA, FILES_OF, FOLDER
from fleet.aws.policies.splitting import LARGEST, characters, split
from tests.fleet.iam_gate.gate import policies_of
from tests.fleet.iam_gate.judge import Request, Statement, Target, listed, refusals
from tests.fleet.iam_gate.lint import mistakes
from tests.fleet.iam_gate.place import LONGEST, SOME, TAG, Place

LARGEST_PLACE = Place(LONGEST, "aws-us-gov", "us-gov-west-1", "123456789012")
OWN = Place("cloudkon", "aws", "us-east-1", "123456789012")
STRANGER = Place("pictures", "aws", "us-east-1", "123456789012")


def allowed(statements: Sequence[Statement], action: str, *targets: Target, **context: str) -> bool:
    return not list(refusals(statements, Request(action, targets, context)))


def test_every_file_belongs_to_a_verb() -> None:
    assert {name for names in FILES_OF.values() for name in names} | {DELETE_DATA} == {
        path.stem for path in FOLDER.glob("*.json")
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_file_is_an_iam_document_with_its_lists_sorted(path: object) -> None:
    document = json.loads(FOLDER.joinpath(str(path)).read_text(encoding="utf-8"))
    assert document["Version"] == "2012-10-17"
    names = [one["Sid"] for one in document["Statement"]]
    assert len(names) == len(set(names))
    for statement in document["Statement"]:
        for part in ("Action", "Resource"):
            assert listed(statement[part]) == sorted(listed(statement[part])), statement["Sid"]


@pytest.mark.parametrize("verb", FILES_OF)
def test_policies_of_a_verb_match_what_they_name(verb: str) -> None:
    for place in (OWN, LARGEST_PLACE):
        assert list(mistakes(policies_of(verb, place, delete_data=verb == "down"))) == []


@pytest.mark.parametrize("verb", FILES_OF)
def test_each_policy_of_a_verb_is_within_the_limit(verb: str) -> None:
    statements = policies_of(verb, LARGEST_PLACE, delete_data=verb == "down")
    policies = split(statements)
    assert all(characters(one) <= LARGEST for one in policies)
    assert sum(len(one["Statement"]) for one in policies) == len(statements)
    assert len(policies) <= 3


@pytest.mark.parametrize("verb", FILES_OF)
def test_nothing_of_the_default_fleet_is_left_in_the_policies_of_another(verb: str) -> None:
    left = json.dumps(policies_of(verb, LARGEST_PLACE)).replace("/cloudkon/", "").replace("changeSet/cloudkon-", "")
    assert "cloudkon" not in left.replace("cloudkon:fleet", "")
    assert "${" not in left


@pytest.mark.parametrize("verb", FILES_OF)
def test_what_changes_something_is_limited_to_the_fleet(verb: str) -> None:
    for statement in policies_of(verb, LARGEST_PLACE, delete_data=verb == "down"):
        changing = {one for one in listed(statement["Action"]) if not one.split(":")[1].startswith(READING)}
        is_limited = LONGEST in json.dumps(statement)
        assert is_limited or changing <= OPEN, statement


READING = ("Describe", "Get", "List")
OPEN = {
    # These have no resource, or one whose name says nothing.
    *("ecs:DeregisterTaskDefinition", "ssm:GetParameters"),
    *("ec2:CreateSecurityGroup", "ec2:RunInstances"),
    # A rule's group must be allowed as well.
    "ec2:AuthorizeSecurityGroupEgress",
    # Before a group has its tag: only through CloudFormation, and only a group that is no fleet's.
    *("ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress"),
    # Before the tags of a launch template are seen, in a rollback: likewise.
    *("ec2:DeleteLaunchTemplate", "ec2:DeleteTags"),
    # Limited to the scaling of ECS services.
    *(
        f"application-autoscaling:{one}"
        for one in ("DeleteScalingPolicy", "DeregisterScalableTarget", "PutScalingPolicy", "RegisterScalableTarget")
    ),
    "iam:CreateServiceLinkedRole",
}
"""What docs/permissions.md lists as open."""


@pytest.mark.parametrize("verb", ["up", "down"])
@pytest.mark.parametrize(
    "action",
    [
        "AuthorizeSecurityGroupEgress",
        "CreateLaunchTemplateVersion",
        "CreateTags",
        "DeleteLaunchTemplate",
        "DeleteSecurityGroup",
        "DeleteTags",
        "RevokeSecurityGroupEgress",
    ],
)
def test_nobody_changes_a_strangers_security_group_or_launch_template(verb: str, action: str) -> None:
    statements = policies_of(verb, OWN)
    kind = "launch-template" if "Template" in action else "security-group"
    rule = STRANGER.target("ec2", "security-group-rule", SOME, own=False)
    asked = {f"aws:requesttag/{TAG}": OWN.fleet}
    for own in (True, False):
        stranger = STRANGER.target("ec2", kind, SOME, own=own)
        assert not allowed(statements, f"ec2:{action}", stranger, rule, **asked)


def test_other_scalable_targets_are_out_of_reach() -> None:
    target = OWN.target("application-autoscaling", "ScalableTarget", SOME)
    for verb, action in (("up", "PutScalingPolicy"), ("down", "DeregisterScalableTarget"), ("scale", "Register")):
        name = "RegisterScalableTarget" if action == "Register" else action
        statements = policies_of(verb, OWN)
        prefix = "application-autoscaling"
        tables = {
            f"{prefix}:service-namespace": "dynamodb",
            f"{prefix}:scalable-dimension": "dynamodb:table:ReadCapacity",
        }
        assert not allowed(statements, f"{prefix}:{name}", target, **tables)
        services = {f"{prefix}:service-namespace": "ecs", f"{prefix}:scalable-dimension": "ecs:service:DesiredCount"}
        assert allowed(statements, f"{prefix}:{name}", target, **services)


def test_cluster_is_made_only_with_the_fleets_tag() -> None:
    cluster = OWN.target("ecs", "cluster", OWN.fleet, own=False)
    statements = policies_of("up", OWN)
    assert allowed(statements, "ecs:CreateCluster", cluster, **{f"aws:requesttag/{TAG}": OWN.fleet})
    assert not allowed(statements, "ecs:CreateCluster", cluster)


def test_down_alone_deletes_no_data() -> None:
    statements = policies_of("down", OWN)
    for action, kind, *names in (
        ("sqs:DeleteQueue", "queue", "cloudkon-worker"),
        ("sqs:PurgeQueue", "queue", "cloudkon-worker"),
        ("dynamodb:DeleteTable", "table", "cloudkon-ledger"),
        ("s3:DeleteBucket", "bucket", "cloudkon-store"),
        ("s3:DeleteObject", "object", "cloudkon-store", "videos/one"),
    ):
        assert not allowed(statements, action, OWN.target(action.partition(":")[0], kind, *names)), action


@pytest.mark.parametrize("verb", ["status", "publish", "client", "scale"])
def test_user_of_the_fleet_can_neither_create_nor_delete_it(verb: str) -> None:
    statements = policies_of(verb, OWN)
    for action, target in (
        ("cloudformation:ExecuteChangeSet", OWN.target("cloudformation", "stack", "cloudkon-compute", SOME)),
        ("iam:PassRole", OWN.target("iam", "role", "cloudkon-compute-InstanceRole-1")),
        ("ecs:DeleteService", OWN.target("ecs", "service", "cloudkon", "worker")),
        ("ec2:RunInstances", OWN.target("ec2", "instance", SOME)),
    ):
        assert not allowed(statements, action, target), action


@pytest.mark.parametrize("verb", ["client", "scale"])
def test_who_sets_the_count_gives_a_service_no_foreign_task_definition(verb: str) -> None:
    service = Target("service", "arn:aws:ecs:us-east-1:123456789012:service/cloudkon/worker")
    statements = policies_of(verb, OWN)
    definitions = "arn:aws:ecs:us-east-1:123456789012:task-definition"
    assert allowed(statements, "ecs:UpdateService", service)
    # ECS may take the key from the service as it is, where the request has no task definition.
    assert allowed(
        statements, "ecs:UpdateService", service, **{"ecs:task-definition": f"{definitions}/cloudkon-worker:7"}
    )
    assert not allowed(statements, "ecs:UpdateService", service, **{"ecs:task-definition": f"{definitions}/payroll:1"})
