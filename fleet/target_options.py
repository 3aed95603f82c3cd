"""Defines the options of a target that has its own instances."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cloudkon.errors import InvalidInput

from .resource_tags import check_tags

MOST_TYPES: Final = 4
WHOLE: Final = 100
"""Percent."""
MOST_INSTANCES: Final = 10_000
"""ECS's managed scaling accepts no larger step (ECS API reference, ManagedScaling)."""
MOST_GIB: Final = 16_384
LOG_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)
"""CloudWatch Logs accepts no other number of days (API reference, PutRetentionPolicy)."""
LEAST_MEMORY: Final = {"worker": 128, "animoto": 512}
"""MiB. A pool's worker does not start with less."""
TOPIC: Final = re.compile(r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w.-]+")

BOUNDARY: Final = re.compile(r"arn:aws[\w-]*:iam::(?:\d{12}|aws):policy/[\w+=,.@/-]+")
NEW_TABLE_WRITES: Final = 4_000
"""Writes a second that a new table serves at once (DynamoDB Developer Guide, DynamoDB warm throughput)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """The user's options for the instances; an empty value or ``None`` leaves a setting unchanged.

    ``spot`` is the percentage of Spot instances above the On-Demand base. ``cpu`` (units, 1,024 a vCPU) and ``memory``
    (MiB) belong to one ECS task, by pool name. ``volume`` is in GiB, ``log_days`` in days, ``warm_throughput`` in the
    ledger's writes a second. ``tags`` are the user's or the organization's; one without a value is removed.
    """

    vpc: str = ""
    subnets: tuple[str, ...] = ()
    architecture: str = ""
    instance_types: tuple[str, ...] = ()
    max_instances: int | None = None
    on_demand_base: int | None = None
    spot: int | None = None
    volume: int | None = None
    log_days: int | None = None
    cpu: Mapping[str, int] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    alarm_topic: str | None = None
    execute_command: bool | None = None
    permissions_boundary: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    warm_throughput: int | None = None
    point_in_time_recovery: bool | None = None
    versioning: bool | None = None
    termination_protection: bool | None = None

    def check(self) -> None:
        """Raise ``InvalidInput`` for options that are wrong without asking AWS."""
        if len(self.instance_types) > MOST_TYPES:
            raise InvalidInput("instance types", f"{len(self.instance_types)} were given", f"Give up to {MOST_TYPES}")
        if self.max_instances is not None and self.max_instances < 1:
            raise InvalidInput("--max-instances", "must be at least 1", "To run no instances, scale to 0")
        if self.max_instances is not None and self.max_instances > MOST_INSTANCES:
            raise InvalidInput(f"--max-instances {self.max_instances}", f"must be at most {MOST_INSTANCES:,}")
        if self.spot is not None and not 0 <= self.spot <= WHOLE:
            raise InvalidInput(f"--spot {self.spot}", "must be a percentage", "Give 0 to 100")
        if self.permissions_boundary and not BOUNDARY.fullmatch(self.permissions_boundary):
            example = "arn:aws:iam::123456789012:policy/boundary"
            raise InvalidInput(
                f"--permissions-boundary {self.permissions_boundary}", "not the ARN of a policy", f"Example: {example}"
            )
        check_tags(self.tags)
        self._check_storage()

    def _check_storage(self) -> None:
        """Check volume, logs, memory and alarm topic."""
        if self.volume is not None and self.volume > MOST_GIB:
            raise InvalidInput(f"--volume {self.volume}", f"a volume has at most {MOST_GIB:,} GiB")
        if self.log_days is not None and self.log_days not in LOG_DAYS:
            days = ", ".join(map(str, LOG_DAYS))
            raise InvalidInput(
                f"--log-days {self.log_days}", "CloudWatch Logs does not offer this retention", f"Give one of {days}"
            )
        if self.warm_throughput is not None and self.warm_throughput <= NEW_TABLE_WRITES:
            raise InvalidInput(
                f"--warm-throughput {self.warm_throughput}",
                f"a new table serves {NEW_TABLE_WRITES:,} writes a second anyway",
                "Give more, or leave it out",
            )
        for pool, memory in self.memory.items():
            if memory < LEAST_MEMORY[pool]:
                raise InvalidInput(f"--{pool}-memory {memory}", f"its workers need at least {LEAST_MEMORY[pool]} MiB")
        if self.alarm_topic and not TOPIC.fullmatch(self.alarm_topic):
            example = "arn:aws:sns:eu-central-1:123456789012:alarms"
            raise InvalidInput(
                f"--alarm-topic {self.alarm_topic}", "not the ARN of an SNS topic", f"Example: {example}"
            )

    @property
    def names_network(self) -> bool:
        """Whether it sets the network in which the instances run."""
        return bool(self.vpc or self.subnets)


NO_SIZING: Final = Sizing()


@dataclass(frozen=True, slots=True)
class AutoscaleRange:
    """From ``least`` to ``most`` workers, one more for each ``per_worker`` messages that wait. ``most`` 0: none."""

    least: int
    most: int
    per_worker: int

    def check(self) -> None:
        """Raise ``InvalidInput`` for an invalid range."""
        if self.least < 0 or self.most < 0 or self.per_worker < 1:
            raise InvalidInput("autoscale", "--min and --max must be 0 or more, and --per-worker 1 or more")
        if self.most and self.least > self.most:
            raise InvalidInput(f"--min {self.least}", f"must not be more than --max {self.most}")
