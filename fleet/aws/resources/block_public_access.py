"""Decides whether VPC Block Public Access cuts a subnet off from the internet.

Its modes (EC2 API reference, VpcBlockPublicAccessOptions): ``block-bidirectional`` blocks all traffic of internet
gateways, and so of NAT gateways, which send through one; ``block-ingress`` lets only NAT and egress-only gateways send.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OFF: Final = "off"
INGRESS: Final = "block-ingress"
MODES: Final = (INGRESS, "block-bidirectional")
ACTIVE: Final = ("create-complete", "update-complete", "update-in-progress", "delete-in-progress")
"""States in which an exclusion may have an effect."""


@dataclass(frozen=True, slots=True)
class BlockPublicAccess:
    """The account's mode in this region, and the VPCs and subnets (by id) that are excluded from it."""

    mode: str = OFF
    excluded: frozenset[str] = field(default_factory=frozenset)

    def blocks(self, subnet: Mapping[str, Any], gateway: str) -> bool:
        """Whether instances of a subnet, EC2's row of it, can't send through a gateway. In doubt they can."""
        if self.mode not in MODES or {subnet["SubnetId"], subnet["VpcId"]} & self.excluded:
            return False
        # The row has the subnet's own state, which may know of exclusions too.
        if subnet.get("BlockPublicAccessStates", {}).get("InternetGatewayBlockMode") == OFF:
            return False
        if gateway.startswith("igw-"):
            return True
        # The gateway's own subnet may be an excluded one.
        return gateway.startswith("nat-") and self.mode != INGRESS and not self.excluded


def excluded_ids(rows: list[Mapping[str, Any]]) -> frozenset[str]:
    """Return the ids of excluded VPCs and subnets from EC2's rows. Either mode of an exclusion lets them send."""
    return frozenset(str(row["ResourceArn"]).rpartition("/")[2] for row in rows if row.get("State") in ACTIVE)
