"""Keeps what a trial must remember in the account itself, so that a later one can clean up after a crash.

The notes are the tags of one role. The trial makes it first and deletes it last. It is also the role that Fault
Injection Service acts under.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from fleet.aws.resources.names import TAG
from tests.aws.account_session import AccountSession

PATH: Final = "/cloudkon-trial/"
"""The path of all roles and policies of trials."""
SUFFIX: Final = "-experiment"
FLEET_TAG: Final = "cloudkon-trial:fleet"
REGION_TAG: Final = "cloudkon-trial:region"
ABSENT_TAG: Final = "cloudkon-trial:absent"
"""Its value names the service-linked roles that the account did not have before the trial."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that the account has notes of. ``absent`` are service-linked roles that it may have made."""

    fleet: str
    region: str
    absent: tuple[str, ...]


def journal_name(fleet: str) -> str:
    """Return the name of the role that holds a trial's notes."""
    return f"{fleet}{SUFFIX}"


def open_journal(session: AccountSession, fleet: str, absent: Iterable[str]) -> str:
    """Create the role with the notes; return its ARN.

    Only Fault Injection Service may use it, for this account, and only to interrupt instances of the fleet (AWS FIS
    User Guide, IAM roles for AWS FIS experiments; AWS FIS Actions reference, aws:ec2:send-spot-instance-interruptions).
    """
    iam = session.client("iam")
    role = iam.create_role(
        Path=PATH,
        RoleName=journal_name(fleet),
        AssumeRolePolicyDocument=json.dumps(_trust(session)),
        Description="A trial of CloudKon: Fault Injection Service interrupts one Spot instance",
        Tags=[
            {"Key": FLEET_TAG, "Value": fleet},
            {"Key": REGION_TAG, "Value": session.account.region},
            {"Key": ABSENT_TAG, "Value": " ".join(absent)},
        ],
    )["Role"]
    document = json.dumps(experiment_policy(session, fleet))
    iam.put_role_policy(RoleName=journal_name(fleet), PolicyName="interrupt", PolicyDocument=document)
    return str(role["Arn"])


def experiment_policy(session: AccountSession, fleet: str) -> dict[str, Any]:
    """Return the policy of the role that Fault Injection Service acts under."""
    interrupt = {
        "Sid": "InterruptTheFleet",
        "Effect": "Allow",
        "Action": "ec2:SendSpotInstanceInterruptions",
        "Resource": session.arn("ec2", "instance/*"),
        "Condition": {"StringEquals": {f"aws:ResourceTag/{TAG}": fleet}},
    }
    see = {"Sid": "SeeInstances", "Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [interrupt, see]}


def find_trials(session: AccountSession) -> list[Trial]:
    """Return the trials of which the account still has notes."""
    iam = session.client("iam")
    names = [str(row["RoleName"]) for row in roles(session) if row["RoleName"].endswith(SUFFIX)]
    found = []
    for name in sorted(names):
        tags = {row["Key"]: row["Value"] for row in iam.list_role_tags(RoleName=name)["Tags"]}
        if FLEET_TAG in tags:
            absent = tuple(tags.get(ABSENT_TAG, "").split())
            found.append(Trial(tags[FLEET_TAG], tags.get(REGION_TAG, session.account.region), absent))
    return found


def roles(session: AccountSession) -> list[dict[str, Any]]:
    """Return all roles of trials."""
    pages = session.client("iam").get_paginator("list_roles").paginate(PathPrefix=PATH)
    return [row for page in pages for row in page["Roles"]]


def _trust(session: AccountSession) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "fis.amazonaws.com"},
                "Action": "sts:AssumeRole",
                # Against a confused deputy, as the guide recommends.
                "Condition": {"StringEquals": {"aws:SourceAccount": session.account.number}},
            }
        ],
    }
