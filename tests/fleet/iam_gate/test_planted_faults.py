"""Faults that the policies once had are found when they are put back."""

import pytest

from tests.fleet.iam_gate.gate import policies_of
from tests.fleet.iam_gate.judge import Request, refusals
from tests.fleet.iam_gate.lint import mistakes
from tests.fleet.iam_gate.place import LONGEST, SOME, TAG, Place

LONG = Place(LONGEST, "aws", "us-east-1", "123456789012")
PLACE = Place("cloudkon", "aws-us-gov", "us-gov-west-1", "123456789012")
CLUSTER = PLACE.target("ecs", "cluster", "cloudkon")


def statement(action: str, resource: str, **condition: dict[str, str]) -> dict[str, object]:
    return {"Sid": "Planted", "Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition}


def test_condition_key_that_the_action_lacks_never_matches() -> None:
    planted = statement("ecs:ListContainerInstances", "*", ArnEquals={"ecs:cluster": CLUSTER.arn})
    request = Request("ecs:ListContainerInstances", (CLUSTER,), {"ecs:cluster": CLUSTER.arn})
    assert list(refusals([planted], request)) == [f"ecs:ListContainerInstances on {CLUSTER.arn}"]
    assert list(mistakes([planted])) == ["Planted: ecs:ListContainerInstances has no condition key ecs:cluster"]


def test_wrong_log_group_of_another_fleet_is_refused() -> None:
    place = Place("pictures", "aws", "us-east-1", "123456789012")
    group = place.target("logs", "log-group", "/cloudkon/pictures/worker")
    planted = statement("logs:DeleteLogGroup", "arn:aws:logs:*:*:log-group:/pictures/pictures/*")
    assert list(refusals([planted], Request("logs:DeleteLogGroup", (group,)))) != []


def test_shortened_role_name_is_refused_by_the_whole_stacks_name() -> None:
    # 64 letters, as CloudFormation shortens abcdefghijklmnopqrstuvwxyz-9-compute-AnimotoTaskRole-0000000000001.
    role = LONG.target("iam", "role", "abcdefghijklmnopqrstuvwxyz-9-compu-AnimotoTaskRole-0000000000001")
    assert len(role.arn.rpartition("/")[2]) == 64
    planted = statement("iam:GetRole", f"arn:aws:iam::*:role/{LONG.fleet}-compute-*")
    assert list(refusals([planted], Request("iam:GetRole", (role,)))) != []
    assert list(refusals(policies_of("up", LONG), Request("iam:GetRole", (role,)))) == []


def test_cluster_limited_by_its_arn_is_refused_if_creation_has_no_resource() -> None:
    planted = statement("ecs:CreateCluster", CLUSTER.arn)
    assert list(refusals([planted], Request("ecs:CreateCluster", (CLUSTER,)))) == ["ecs:CreateCluster on *"]


def test_arn_of_another_partition_is_refused() -> None:
    planted = statement("ecs:DeleteCluster", "arn:aws:ecs:*:*:cluster/cloudkon")
    assert list(refusals([planted], Request("ecs:DeleteCluster", (CLUSTER,)))) != []


def test_tag_of_another_fleet_is_refused() -> None:
    group = Place("pictures", "aws-us-gov", "us-gov-west-1", "123456789012").target("ec2", "security-group", SOME)
    planted = statement("ec2:DeleteSecurityGroup", "*", StringEquals={f"aws:ResourceTag/{TAG}": "cloudkon"})
    assert list(refusals([planted], Request("ec2:DeleteSecurityGroup", (group,)))) != []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ecs:UpdateServices", "*"),
        ("ecs:ListServices", "arn:aws:ecs:*:*:cluster/cloudkon"),
        ("ecs:StopTask", "arn:aws:ecs:*:*:service/cloudkon/*"),
    ],
)
def test_statement_that_never_matches_is_found(action: str, resource: str) -> None:
    assert len(list(mistakes([statement(action, resource)]))) == 1
