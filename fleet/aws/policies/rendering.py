"""Fills in the placeholders of policies: partition, region, account, fleet and the store's bucket."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from cloudkon.aws.account import Account
from cloudkon.aws.partition import partition_of
from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings

from ..resources.names import SERVICES, check_fleet
from .catalogue import ANY, Statement

UNKNOWN_REGION: Final = "us-east-1"
"""A region of the partition that is meant if no region is given."""

BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{3,255}")
"""What any bucket's name consists of (Amazon S3 User Guide, General purpose bucket naming rules). In a policy, other
characters would be wildcards or IAM's variables: ``*`` would open every bucket."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The fleet that policies are rendered for. ``account`` and ``region`` are ``*`` if they are not known."""

    settings: Settings
    account: str = ANY
    region: str = ANY

    def values(self) -> dict[str, str]:
        """Return the value of each placeholder.

        Raises ``InvalidInput`` for a name that no fleet on AWS can have, for an unknown region, and for a partition
        that lacks one of the services.
        """
        check_fleet(self.settings)
        bucket = self.settings.bucket
        if bucket and not BUCKET.fullmatch(bucket):
            reason = "a bucket's name has 3 or more letters, digits, dots, hyphens"
            raise InvalidInput(f"setting CLOUDKON_BUCKET={bucket!r:.80}", reason, "Fix it, or unset it")
        partition = partition_of(UNKNOWN_REGION if self.region == ANY else self.region)
        partition.check_services(SERVICES)
        fleet = self.settings.fleet
        return {
            "Partition": partition.name,
            "Region": self.region,
            "Account": self.account,
            "Fleet": fleet,
            "Bucket": bucket or Account(self.account, self.region).bucket(fleet),
        }


def render(statements: Iterable[Statement], scope: Scope) -> list[Statement]:
    """Return the statements with all placeholders filled in. Raises ``InvalidInput`` as ``Scope.values`` does."""
    values = scope.values()
    return [_filled(one, values) for one in statements]


def _filled(value: Any, values: dict[str, str]) -> Any:  # noqa: ANN401  (any JSON)
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    text = str(value)
    for name, known in values.items():
        text = text.replace(f"${{{name}}}", known)
    return text
