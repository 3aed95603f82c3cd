"""Makes one role a verb that holds the verb's printed policies only, and lends its credentials."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from cloudkon.errors import InvalidInput, ServiceError
from fleet.aws.policies.splitting import MOST_PER_ROLE
from tests.aws.account_session import AccountSession
from tests.aws.journal import PATH, SUFFIX, roles

SESSION_SECONDS: Final = 3600
"""As long as a role may lend credentials to what is a role itself (IAM User Guide, role chaining)."""
ASSUME_SECONDS: Final = 120.0
"""How long a new role may be unknown to STS."""
RETRY_SECONDS: Final = 5.0


class VerbRoles:
    """The roles of one trial."""

    def __init__(self, session: AccountSession, fleet: str, pause: Callable[[float], None]) -> None:
        """Make nothing yet. ``pause`` waits for seconds."""
        self._session = session
        self._fleet = fleet
        self._pause = pause

    def make(self, verb: str, policies: Sequence[dict[str, Any]]) -> None:
        """Create a verb's role with these policies. Raises ``InvalidInput`` for more than a role takes."""
        if len(policies) > MOST_PER_ROLE:
            raise InvalidInput(f"verb {verb}", f"its {len(policies)} policies don't fit into one role")
        iam = self._session.client("iam")
        name = self._name(verb)
        iam.create_role(
            Path=PATH,
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(self.trust()),
            Description=f"A trial of CloudKon: may do what {verb} needs",
            MaxSessionDuration=SESSION_SECONDS,
        )
        for number, policy in enumerate(policies, 1):
            document = json.dumps(policy, separators=(",", ":"))
            made = iam.create_policy(Path=PATH, PolicyName=f"{name}-{number}", PolicyDocument=document)
            iam.attach_role_policy(RoleName=name, PolicyArn=made["Policy"]["Arn"])

    def assume(self, verb: str) -> dict[str, str]:
        """Return new credentials of a verb's role, as STS spells them. A new role is tried for ``ASSUME_SECONDS``."""
        arn = self._session.arn("iam", f"role{PATH}{self._name(verb)}", region=False)
        waited = 0.0
        while True:
            try:
                answer = self._session.client("sts").assume_role(
                    RoleArn=arn, RoleSessionName=self._fleet, DurationSeconds=SESSION_SECONDS
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code != "AccessDenied" or waited >= ASSUME_SECONDS:
                    raise ServiceError(f"the role of {verb} could not be assumed: {error}") from error
                self._pause(RETRY_SECONDS)
                waited += RETRY_SECONDS
            else:
                keys: dict[str, str] = answer["Credentials"]
                return keys

    def _name(self, verb: str) -> str:
        return f"{self._fleet}-{verb}"

    def trust(self) -> dict[str, Any]:
        """Return the policy that lets only the caller assume a role."""
        # By the caller's unique id: a role's ARN can't be told from its session's where the role has a path. A role's
        # id is followed by the session's name (IAM User Guide, AWS global condition context keys, aws:userid).
        identity, colon, _ = self._session.user.partition(":")
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": self._session.arn("iam", "root", region=False)},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringLike": {"aws:userid": f"{identity}:*" if colon else identity}},
                }
            ],
        }


def delete_role(session: AccountSession, name: str) -> None:
    """Delete a role of a trial with its policies."""
    iam = session.client("iam")
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for row in page["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=row["PolicyArn"])
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for inline in page["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=inline)
    iam.delete_role(RoleName=name)


def delete_verb_roles(session: AccountSession, fleet: str) -> None:
    """Delete all roles and policies of a trial, except the role with its notes."""
    for name in verb_roles(session, fleet):
        delete_role(session, name)
    for arn in policies(session, fleet):
        session.client("iam").delete_policy(PolicyArn=arn)


def verb_roles(session: AccountSession, fleet: str) -> list[str]:
    """Return the names of a trial's roles that exist, without the one that holds its notes."""
    own = (str(row["RoleName"]) for row in roles(session))
    return sorted(name for name in own if name.startswith(f"{fleet}-") and not name.endswith(SUFFIX))


def policies(session: AccountSession, fleet: str) -> list[str]:
    """Return the ARNs of a trial's policies that exist."""
    pages = session.client("iam").get_paginator("list_policies").paginate(Scope="Local", PathPrefix=PATH)
    rows = (row for page in pages for row in page["Policies"])
    return sorted(str(row["Arn"]) for row in rows if row["PolicyName"].startswith(f"{fleet}-"))
