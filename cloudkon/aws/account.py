"""Account: whose AWS this is, and where; and the store's name, which follows from both."""

from dataclasses import dataclass, replace
from typing import Any

from cloudkon.aws.aws_errors import BOTO_ERRORS, to_cloudkon_error
from cloudkon.aws.connection import Connection
from cloudkon.settings import Settings


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account's twelve digits and a region."""

    number: str
    region: str

    def __str__(self) -> str:
        """As a person reads it."""
        return f"account {self.number} in {self.region}"

    def bucket(self, fleet: str) -> str:
        """A fleet's store here: bucket names are global, so the fleet's own name would be taken by a stranger."""
        return f"{fleet}-store-{self.number}-{self.region}"

    def registry(self) -> str:
        """The host name of this account's image registry here."""
        suffix = ".cn" if self.region.startswith("cn-") else ""
        return f"{self.number}.dkr.ecr.{self.region}.amazonaws.com{suffix}"


def find_account(connection: Connection) -> Account:
    """Ask STS, blocking for one call, which every identity may make (``GetCallerIdentity``).

    Raises ``AccessDenied`` without valid credentials, ``InvalidSetting`` without a region.
    """
    region = connection.region
    client: Any = connection.client("sts")
    try:
        answer = client.get_caller_identity()
    except BOTO_ERRORS as error:
        raise to_cloudkon_error(error, connection.fleet, connection.endpoint) from error
    return Account(str(answer["Account"]), region)


def with_store(settings: Settings, account: Account) -> Settings:
    """The settings with the store's name in this account; as they are where a bucket is set."""
    return settings if settings.bucket else replace(settings, bucket=account.bucket(settings.fleet))
