"""The linter parliament finds nothing in the rendered policies except what is listed here with its reason."""

import importlib.util
import json
import subprocess
import sys
from typing import Final, NamedTuple

import pytest

from fleet.aws.policies.catalogue import FILES_OF
from fleet.aws.policies.splitting import compact, split
from tests.fleet.iam_gate.gate import policies_of
from tests.fleet.iam_gate.place import LONGEST, Place

PLACE = Place(LONGEST, "aws-us-gov", "us-gov-west-1", "123456789012")
LINT: Final = """
import json, sys
from parliament import analyze_policy_string
found = [one for text in json.load(sys.stdin) for one in analyze_policy_string(text).findings]
json.dump([[one.issue, str(one.detail)] for one in found], sys.stdout)
"""
"""Runs in a process of its own, because parliament uses deprecated interfaces, which are errors in our tests."""


class Ignored(NamedTuple):
    """A finding that is no mistake."""

    issue: str
    part: str
    """Of the finding's details."""
    reason: str


IGNORED: Final = (
    Ignored("UNKNOWN_ACTION", "cloudformation:DescribeEvents", "newer than parliament's list"),
    Ignored("UNKNOWN_ACTION", "ecs:StopServiceDeployment", "newer than parliament's list"),
    Ignored("UNKNOWN_ACTION", "freetier:GetAccountPlanState", "newer than parliament's list"),
    Ignored("RESOURCE_MISMATCH", "dynamodb:DescribeBackup", "Describe* of the ledger: other kinds are not reached"),
    Ignored("RESOURCE_MISMATCH", "s3:GetStorageLens", "Get*Configuration of the store: other kinds are not reached"),
    Ignored("RESOURCE_MISMATCH", "ec2:AuthorizeSecurityGroupEgress", "its rules; the group stands in other statements"),
    Ignored("RESOURCE_STAR", "ec2:DescribeCapacityBlock", "reading: which actions can be limited changes with AWS"),
    Ignored("RESOURCE_STAR", "ec2:RunInstances", "open, and why: docs/permissions.md"),
    Ignored("RESOURCE_STAR", "ecs:CreateCluster", "AWS's documents disagree whether it has a resource"),
    Ignored("RESOURCE_STAR", "ecs:ListTasks", "limited by its cluster"),
)


def findings(policies: list[str]) -> list[tuple[str, str]]:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LINT],
        input=json.dumps(policies),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(issue, detail) for issue, detail in json.loads(run.stdout)]


@pytest.mark.skipif(importlib.util.find_spec("parliament") is None, reason="parliament is missing: make setup")
def test_parliament_finds_nothing_else() -> None:
    planted = {"Sid": "A", "Effect": "Allow", "Action": "ecs:UpdateServices", "Resource": "*"}
    texts = {
        compact(one) for verb in FILES_OF for one in split(policies_of(verb, PLACE, delete_data=verb == "down"))
    } | {compact({"Version": "2012-10-17", "Statement": [planted]})}
    found = findings(sorted(texts))
    left = [one for one in found if not any(one[0] == each.issue and each.part in one[1] for each in IGNORED)]
    assert left == [("UNKNOWN_ACTION", "Unknown action ecs:UpdateServices")]
    for each in IGNORED:
        assert any(issue == each.issue and each.part in detail for issue, detail in found), each
