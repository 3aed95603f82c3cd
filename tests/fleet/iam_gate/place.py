"""Builds ARNs of one fleet from the formats of the Service Authorization Reference."""

import re
from dataclasses import dataclass
from typing import Final

from tests.fleet.iam_gate.judge import Target
from tests.fleet.iam_gate.service_authorization import arn_format

LONGEST: Final = "abcdefghijklmnopqrstuvwxyz-9"
"""A fleet's name of 28 letters, the most that AWS's own limits leave."""
TAG: Final = "cloudkon:fleet"
SOME: Final = "0123456789abcdef"
"""Stands for an id that AWS makes up."""
_PLACE: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """A fleet in a region of an account."""

    fleet: str
    partition: str
    region: str
    account: str

    def target(self, service: str, kind: str, *names: str, own: bool = True) -> Target:
        """Return a resource; ``names`` are the values of its format's own placeholders, or its whole ARN.

        ``own``: it has the fleet's tag.
        """
        tags = {TAG: self.fleet} if own else {}
        if names and names[0].startswith("arn:"):
            return Target(kind, names[0], tags)
        left = list(names)

        def filled(match: re.Match[str]) -> str:
            known = {"Partition": self.partition, "Region": self.region, "Account": self.account}
            return known[match[1]] if match[1] in known else left.pop(0)

        arn = _PLACE.sub(filled, arn_format(service, kind))
        assert not left, f"{kind} has fewer names than {names}"
        return Target(kind, arn, tags)
