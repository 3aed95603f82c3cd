"""Describes one EC2 instance of an Auto Scaling group, from launch to termination."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

AGENT_MEMORY: Final = 256
"""MiB that the system and the agent keep from ECS tasks."""


@dataclass(frozen=True)
class InstanceType:
    """vCPUs, MiB and architecture."""

    name: str
    cpus: int
    memory: int
    architecture: str = "x86_64"
    free_tier: bool = False

    @property
    def units(self) -> int:
        """CPU units as ECS counts them."""
        return self.cpus * 1024

    @property
    def usable(self) -> int:
        """MiB that ECS registers."""
        return self.memory - AGENT_MEMORY

    def to_answer(self) -> dict[str, Any]:
        """Return what DescribeInstanceTypes does."""
        return {
            "InstanceType": self.name,
            "VCpuInfo": {"DefaultVCpus": self.cpus},
            "MemoryInfo": {"SizeInMiB": self.memory},
            "ProcessorInfo": {"SupportedArchitectures": [self.architecture]},
            "FreeTierEligible": self.free_tier,
        }


TYPES: Final = {
    one.name: one
    for one in (
        *(InstanceType(f"{family}.large", 2, 4096) for family in ("c5", "c6i", "c7i", "c6a", "c7a")),
        *(InstanceType(f"{family}.xlarge", 4, 8192) for family in ("c5", "c6i", "c7i", "c6a", "c7a")),
        InstanceType("m7i.large", 2, 8192),
        InstanceType("t3.small", 2, 2048, free_tier=True),
        InstanceType("c7i-flex.large", 2, 4096, free_tier=True),
        InstanceType("m7i-flex.large", 2, 8192, free_tier=True),
        InstanceType("t4g.small", 2, 2048, "arm64", free_tier=True),
        InstanceType("g5.xlarge", 4, 16384),
        *(InstanceType(f"{family}.large", 2, 4096, "arm64") for family in ("c6g", "c7g")),
        *(InstanceType(f"{family}.xlarge", 4, 8192, "arm64") for family in ("c6g", "c7g")),
    )
}


@dataclass
class Instance:
    """``lifecycle`` is the group's lifecycle state, ``state`` is EC2's."""

    name: str
    kind: InstanceType
    zone: str
    launched: datetime
    spot: bool
    protected: bool
    """From scale-in."""
    tags: dict[str, str]
    security_groups: list[str]
    user_data: str
    state: str = "pending"
    lifecycle: str = "Pending"
    forced: bool = field(default=False)
    """Whether it is terminated without draining."""

    @property
    def volume(self) -> str:
        """The id of its only volume."""
        return f"vol-{self.name[2:]}"

    @property
    def leaving(self) -> bool:
        """Whether it no longer counts towards the group's capacity."""
        return self.lifecycle.startswith("Terminat")
