"""The registry of CloudFormation and the templates agree: permissions, tags, required and read-only properties."""

from fnmatch import fnmatchcase

import pytest

from fleet.resource_tags import LONGEST_KEY, LONGEST_VALUE
from tests.fleet.double.resource_types import RESOURCE_TYPES
from tests.fleet.double.template import Template
from tests.fleet.iam_gate.gate import policies_of
from tests.fleet.iam_gate.judge import listed
from tests.fleet.iam_gate.place import Place
from tests.fleet.iam_gate.registry import (
    NOT_NEEDED,
    REGIONS,
    STEPS,
    TAGGING,
    exists,
    needed,
    permissions,
    read_only,
    required,
    tag_texts,
    taggable,
)
from tests.support.template_rendering import text_of

PLACE = Place("cloudkon", "aws", "us-east-1", "123456789012")
TEMPLATES = {name: Template(text_of(name)).resources for name in ("data", "compute")}
TYPES = sorted({str(one["Type"]) for resources in TEMPLATES.values() for one in resources.values()})
UNTAGGED = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": "deleted with its target",
    "AWS::EC2::LaunchTemplate": "the template tags it",
    "AWS::ECS::ClusterCapacityProviderAssociations": "part of the cluster",
    "AWS::IAM::InstanceProfile": "named by its stack",
    "AWS::S3::BucketPolicy": "part of the bucket",
    "AWS::SQS::QueuePolicy": "part of the queue",
}
"""Types that don't get the stack's tags, and how the fleet knows their resources."""


def granted(verb: str, *, delete_data: bool = False) -> list[str]:
    """Return the patterns of actions that a verb's policies allow on anything."""
    statements = policies_of(verb, PLACE, delete_data=delete_data)
    return [pattern for one in statements for pattern in listed(one["Action"])]


def lacking(patterns: list[str], kind: str, *steps: str) -> list[str]:
    """Return the permissions that the handlers need and that no pattern allows."""
    return [
        one
        for step in steps
        for one in needed(kind, step)
        if not any(fnmatchcase(one, pattern) for pattern in patterns)
    ]


@pytest.mark.parametrize("kind", TYPES)
def test_up_grants_what_the_handlers_of_a_type_need(kind: str) -> None:
    assert lacking(granted("up"), kind, *STEPS, TAGGING) == []


@pytest.mark.parametrize(("name", "delete_data"), [("compute", False), ("data", True)])
def test_down_grants_what_deletion_needs(name: str, delete_data: bool) -> None:
    patterns = granted("down", delete_data=delete_data)
    for kind in {str(one["Type"]) for one in TEMPLATES[name].values()}:
        assert lacking(patterns, kind, "delete") == [], kind


def test_every_exception_is_used_and_has_a_reason() -> None:
    named = [(kind, step, one) for kind in TYPES for step in (*STEPS, TAGGING) for one in permissions(kind, step)]
    for exception in NOT_NEEDED:
        assert exception.reason
        for pattern in exception.permissions.split():
            assert any(fnmatchcase(kind, exception.type) and fnmatchcase(one, pattern) for kind, _, one in named), (
                f"{exception.type} no longer needs {pattern}"
            )


def test_lacking_permission_is_found() -> None:
    for permission, kind in (
        ("s3:TagResource", "AWS::S3::Bucket"),
        ("application-autoscaling:TagResource", "AWS::ApplicationAutoScaling::ScalableTarget"),
        ("iam:ListRoleTags", "AWS::IAM::Role"),
        ("ec2:UpdateSecurityGroupRuleDescriptionsEgress", "AWS::EC2::SecurityGroup"),
        ("logs:GetDataProtectionPolicy", "AWS::Logs::LogGroup"),
    ):
        rest = [pattern for pattern in granted("up") if not fnmatchcase(permission, pattern)]
        assert permission in lacking(rest, kind, *STEPS, TAGGING)


@pytest.mark.parametrize("kind", TYPES)
def test_type_exists_in_each_partition_and_in_the_double(kind: str) -> None:
    assert [region for region in REGIONS if not exists(kind, region)] == []
    assert kind in RESOURCE_TYPES


def test_types_without_the_stacks_tags_are_known() -> None:
    assert {kind for kind in TYPES if not taggable(kind)} == UNTAGGED.keys()


def test_tags_that_up_accepts_are_accepted_by_each_type() -> None:
    longest = {"Key": LONGEST_KEY, "Value": LONGEST_VALUE}
    texts = {(kind, text): limits for kind in TYPES if taggable(kind) for text, limits in tag_texts(kind).items()}
    for (kind, text), (least, most) in texts.items():
        # An empty value removes a tag, so there is none.
        assert least <= 1, f"{text} of a tag of {kind}"
        assert longest[text] <= most, f"{text} of a tag of {kind}"
    for text, most in longest.items():
        assert most == min(limit for (_, one), (_, limit) in texts.items() if one == text)


@pytest.mark.parametrize("template", TEMPLATES)
def test_required_properties_are_set_and_read_only_ones_are_not(template: str) -> None:
    for name, one in TEMPLATES[template].items():
        given = {str(key) for key in one.get("Properties", {})}
        assert required(one["Type"]) <= given, name
        assert not read_only(one["Type"]) & given, name
