"""Holds the user's own credentials: one boto3 session for everything, since AWS takes each MFA code only once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import boto3
import trio
from botocore.exceptions import ProfileNotFound

from cloudkon.aws import Connection
from cloudkon.aws.account import Account, find_account
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import InvalidInput, InvalidSetting
from cloudkon.settings import Settings
from fleet.aws.resources.auto_scaling_group import Ec2Instance, find_instances

CREDENTIALS: Final = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "CLOUDKON_PROFILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
"""Variables that decide whose credentials a program has (boto3 guide, Credentials)."""

VARIABLES: Final = {
    "AccessKeyId": "AWS_ACCESS_KEY_ID",
    "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "SessionToken": "AWS_SESSION_TOKEN",
}
"""The variables for credentials, by STS's names."""


@dataclass(frozen=True)
class AccountSession:
    """One identity in one account and region. ``user`` is the value of ``aws:userid`` in its requests."""

    session: boto3.Session
    account: Account
    user: str = ""

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def client(self, service: str) -> Any:  # noqa: ANN401  (botocore makes a client's methods at run time)
        """Return the client of a service."""
        if service not in self._clients:
            made = self.session.client(service, region_name=self.account.region)  # type: ignore[call-overload]  # the stubs list each service's name
            self._clients[service] = made
        return self._clients[service]

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """Return the ARN of a resource in this account."""
        where = self.account.region if region else ""
        return f"arn:{self.account.partition.name}:{service}:{where}:{self.account.number}:{resource}"

    def keys(self) -> dict[str, str]:
        """Return these credentials as STS spells them."""
        frozen = self.session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]  # calls were made
        found = (
            ("AccessKeyId", frozen.access_key),
            ("SecretAccessKey", frozen.secret_key),
            ("SessionToken", frozen.token),
        )
        return {name: value for name, value in found if value}

    def with_keys(self, keys: Mapping[str, str]) -> "AccountSession":
        """Return a session with the credentials that STS returned."""
        session = boto3.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            region_name=self.account.region,
        )
        return AccountSession(session, self.account)

    def in_region(self, region: str) -> "AccountSession":
        """Return the same identity in another region."""
        if region == self.account.region:
            return self
        return replace(self, account=Account(self.account.number, region))

    @cached_property
    def control(self) -> ControlPlane:
        """The fleet's own way to call AWS, with these credentials."""
        return ControlPlane(Connection(Settings(target="aws", region=self.account.region), lambda: self.session))

    def instances(self, fleet: str) -> list[Ec2Instance]:
        """Return a fleet's instances that have not ended."""
        return trio.run(find_instances, self.control, fleet)


def program_environment(keys: Mapping[str, str], region: str, others: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a program has these credentials only. All other variables are the ``others``."""
    kept = {name: value for name, value in others.items() if name not in CREDENTIALS}
    return kept | {VARIABLES[name]: value for name, value in keys.items() if name in VARIABLES} | {"AWS_REGION": region}


def open_session(environment: Mapping[str, str]) -> AccountSession:
    """Find the user's credentials and region.

    Raises ``InvalidInput`` for an emulator's address, and what ``user_of`` and ``find_account`` raise.
    """
    settings = Settings.from_environment({**environment, "CLOUDKON_TARGET": "aws"})
    if settings.endpoint_url:
        raise InvalidSetting("AWS_ENDPOINT_URL", "the trial is for a real account", "Leave it out")
    try:
        session = boto3.Session(profile_name=settings.profile or None, region_name=settings.region or None)
    except ProfileNotFound as error:
        raise InvalidSetting(f"profile {settings.profile!r:.60}", str(error), "Fix AWS_PROFILE") from error
    account = find_account(Connection(settings, lambda: session))
    identity = session.client("sts", region_name=account.region).get_caller_identity()
    return AccountSession(session, account, user_of(identity))


def user_of(identity: Mapping[str, Any]) -> str:
    """Return the caller's unique id from STS's answer.

    Raises ``InvalidInput`` for an account's root user, who can't assume roles (AWS STS API reference, AssumeRole).
    """
    if str(identity["Arn"]).endswith(":root"):
        raise InvalidInput("credentials", "an account's root user can't assume roles", "Use those of a user or a role")
    return str(identity["UserId"])
