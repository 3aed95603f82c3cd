"""Finds the AWS account and the region, and derives the store's name from them."""

from dataclasses import dataclass, replace

from cloudkon.aws.aws_errors import translated
from cloudkon.aws.connection import Connection
from cloudkon.aws.partition import Partition, partition_of
from cloudkon.settings import Settings


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account, by its twelve digits, and a region."""

    number: str
    region: str

    def __str__(self) -> str:
        """Format it for people."""
        return f"account {self.number} in {self.region}"

    def bucket(self, fleet: str) -> str:
        """The bucket of a fleet's store. Bucket names are global, so a stranger may have the fleet's name alone."""
        return f"{fleet}-store-{self.number}-{self.region}"

    @property
    def partition(self) -> Partition:
        """The partition of the region. Raises ``InvalidInput`` if no partition has a region of that name."""
        return partition_of(self.region)

    def registry(self) -> str:
        """The host name of this account's image registry in this region."""
        return f"{self.number}.dkr.ecr.{self.region}.{self.partition.dns_suffix}"


def find_account(connection: Connection) -> Account:
    """Find the account by a blocking call to STS, one for each connection.

    Raises ``AccessDenied`` without valid credentials, and ``InvalidSetting`` without a region.
    """
    region = connection.region
    with translated(connection.fleet, connection.endpoint):
        return Account(connection.account_number(), region)


def with_store(settings: Settings, account: Account) -> Settings:
    """Return the settings with the store's name in this account; unchanged if a bucket is set."""
    return settings if settings.bucket else replace(settings, bucket=account.bucket(settings.fleet))
