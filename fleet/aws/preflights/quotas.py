"""Holds a fleet's size against the account's quotas of vCPUs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from cloudkon.errors import InvalidInput

from ...target import Report
from ...target_options import WHOLE
from ..resources.instance_types import FleetCapacity, InstanceType, Size, capacity_of
from .inquiry import Inquiry

STANDARD: Final = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})
"""Families of instance types that the two quotas below cover (EC2 User Guide, On-Demand Instance quotas)."""
ON_DEMAND_QUOTA: Final = "L-1216C47A"
"""vCPUs of running On-Demand standard instances (Service Quotas, Amazon EC2)."""
SPOT_QUOTA: Final = "L-34B43A08"
"""vCPUs of all standard Spot instance requests."""


@dataclass(frozen=True, slots=True)
class InstanceMix:
    """How the group divides its instances: ``base`` On-Demand ones, and ``percentage`` of the others On-Demand too."""

    base: int
    percentage: int

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Read the compute template's parameters; a missing one has the template's default."""
        return cls(int(given.get("OnDemandBase") or 0), int(given.get("OnDemandPercentage") or WHOLE))

    @property
    def has_on_demand(self) -> bool:
        """Whether any instance is On-Demand."""
        return self.base > 0 or self.percentage > 0

    @property
    def has_spot(self) -> bool:
        """Whether any instance is Spot."""
        return self.percentage < WHOLE

    def split(self, instances: int) -> tuple[int, int]:
        """Return the least number of On-Demand and of Spot instances, however the group rounds."""
        above = max(0, instances - self.base)
        on_demand = min(instances, self.base) + above * self.percentage // WHOLE
        return on_demand, above * (WHOLE - self.percentage) // WHOLE


@dataclass(frozen=True, slots=True)
class VcpuQuotas:
    """What the two quotas let a fleet run; a quota is ``None`` if it is not known or not needed.

    ``vcpus``: those of the smallest type. ``capacity``: the most that ``--max-instances`` allows, on instances as large
    as the largest type. So what does not fit can never run, whichever types the group starts.
    """

    on_demand: float | None
    spot: float | None
    vcpus: int
    mix: InstanceMix
    capacity: FleetCapacity

    def refusal(self, pool: str, count: int, others: Mapping[str, int]) -> InvalidInput | None:
        """Return the error for a count of a pool that can never run beside the others' counts."""
        needed = self.capacity.needed({**others, pool: count})
        if not count or math.isinf(needed) or not (short := self._short(int(needed))):
            return None
        allowed = next(number for number in range(int(needed), -1, -1) if not self._short(number))
        most = replace(self.capacity, instances=allowed).most(pool, others)
        beside = "".join(f" beside {number} of pool {name}" for name, number in others.items() if number)
        quotas = " and ".join(f"of {kind} vCPUs is {quota:.0f}" for kind, quota, _ in short)
        fewer = f", or give {most}" if most else ""
        return InvalidInput(
            f"count {count}",
            f"the quota {quotas}: it allows {allowed} instances, which hold {most} workers of pool {pool}{beside}",
            f"Request an increase of {' and '.join(code for _, _, code in short)} in Service Quotas{fewer}",
        )

    def _short(self, instances: int) -> list[tuple[str, float, str]]:
        """Return the name, the value and the code of each quota that is too small for that many instances."""
        on_demand, spot = self.mix.split(instances)
        return [
            (kind, quota, code)
            for kind, quota, code, number in (
                ("On-Demand", self.on_demand, ON_DEMAND_QUOTA, on_demand),
                ("Spot", self.spot, SPOT_QUOTA, spot),
            )
            if quota is not None and number * self.vcpus > quota
        ]


async def find_quotas(
    inquiry: Inquiry, instance_types: Sequence[InstanceType], given: Mapping[str, str]
) -> VcpuQuotas | None:
    """Return what the quotas allow a fleet with these parameters; ``None`` if other quotas count for a type.

    Other instances of the account count too. They are not looked up: if they use up a quota, the diagnosis says so.
    """
    if any(not _is_standard(one) for one in instance_types):
        return None
    mix = InstanceMix.of(given)
    largest = Size(max(one.size.cpu for one in instance_types), max(one.size.memory for one in instance_types))
    return VcpuQuotas(
        await _quota(inquiry, ON_DEMAND_QUOTA) if mix.has_on_demand else None,
        await _quota(inquiry, SPOT_QUOTA) if mix.has_spot else None,
        min(one.vcpus for one in instance_types),
        mix,
        replace(capacity_of(instance_types, given), instance=largest),
    )


async def check_quotas(
    inquiry: Inquiry, instance_types: Sequence[InstanceType], count: int, mix: InstanceMix, report: Report
) -> None:
    """Refuse (``InvalidInput``) a quota too small for one instance; warn if it is too small for ``count`` instances."""
    if others := [one.name for one in instance_types if not _is_standard(one)]:
        report(f"the standard EC2 quotas don't cover {', '.join(others)}: their quotas were not checked")
    counted = [one.vcpus for one in instance_types if _is_standard(one)]
    if not counted:
        return
    largest = max(counted)
    kinds = [("On-Demand", ON_DEMAND_QUOTA, mix.has_on_demand), ("Spot", SPOT_QUOTA, mix.has_spot)]
    for kind, code, needed in kinds:
        quota = await _quota(inquiry, code) if needed else None
        if quota is None:
            continue
        if quota < largest:
            raise InvalidInput(
                f"quota of {kind} vCPUs",
                f"it is {quota:.0f}, and one instance has {largest}",
                f"Request an increase in Service Quotas ({code}), or choose smaller --instance-types",
            )
        if quota < largest * count:
            report(
                f"warning: the quota of {kind} vCPUs is {quota:.0f}: it allows {int(quota // largest)} of the "
                f"{count} instances that --max-instances allows"
            )


def _is_standard(instance_type: InstanceType) -> bool:
    return "".join(itertools.takewhile(str.isalpha, instance_type.name)) in STANDARD


async def _quota(inquiry: Inquiry, code: str) -> float | None:
    answer = await inquiry.call("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=code)
    return float(answer["Quota"]["Value"]) if answer else None
