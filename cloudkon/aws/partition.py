"""Finds the partition of a region: the part of AWS (public, GovCloud, China …) that ARNs and host names depend on.

Everything comes from botocore's data, which AWS maintains: ``partitions.json`` has each partition's regions and DNS
suffix, ``endpoints.json`` its services by the first part of their host names. Names of service principals don't depend
on the partition: they end in ``amazonaws.com`` everywhere (IAM User Guide, AWS JSON policy elements: Principal).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.loaders

from cloudkon.errors import InvalidInput

EVERYWHERE: Final = frozenset({"iam", "sts"})
"""Services that no partition lacks. For some partitions ``endpoints.json`` does not list them."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: ``name`` as in ARNs (``aws-us-gov``), ``dns_suffix`` as in host names (``amazonaws.com``)."""

    name: str
    dns_suffix: str

    def check_services(self, services: Iterable[str]) -> None:
        """Raise ``InvalidInput`` if the partition lacks a service; they are named as in ``endpoints.json``."""
        missing = sorted(set(services) - EVERYWHERE - _services(self.name))
        if missing:
            raise InvalidInput(
                f"partition {self.name}", f"it has no {', '.join(missing)}", "Set AWS_REGION to a region of another one"
            )


def partition_of(region: str) -> Partition:
    """Return the partition of a region. Raises ``InvalidInput`` for what is no region's name."""
    for row in _partitions():
        if region in row["regions"] or re.fullmatch(row["regionRegex"].strip("^$"), region):
            return Partition(row["id"], row["outputs"]["dnsSuffix"])
    raise InvalidInput(f"region {region!r:.60}", "no partition of AWS has a region of that name", "Fix AWS_REGION")


@cache
def _partitions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = botocore.loaders.create_loader().load_data("partitions")["partitions"]
    return found


@cache
def _services(partition: str) -> frozenset[str]:
    rows = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    return frozenset(name for row in rows if row["partition"] == partition for name in row["services"])
