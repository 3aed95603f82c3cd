"""Wishes: what a user may say to a target that has machines of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cloudkon.errors import InvalidInput

MOST_TYPES: Final = 4
WHOLE: Final = 100
"""Percent."""
MOST_INSTANCES: Final = 10_000
"""ECS's managed scaling takes no larger step (ECS API reference, ManagedScaling)."""
MOST_GIB: Final = 16_384
LOG_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)
"""CloudWatch Logs keeps no log for another number of days (API reference, PutRetentionPolicy)."""
LEAST_MEMORY: Final = {"worker": 128, "animoto": 512}
"""MiB below which a pool's worker does not even start."""
TOPIC: Final = re.compile(r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What the user said about the machines; ``None`` or nothing for what stays as it is.

    ``spot`` is the percentage of Spot instances above the On-Demand base; ``cpu`` (units, 1,024 a vCPU) and ``memory``
    (MiB) are of one ECS task, by pool name; ``volume`` is in GiB, ``log_days`` in days.
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

    def check(self) -> None:
        """Raise ``InvalidInput`` for what can be seen to be wrong without asking AWS."""
        if len(self.instance_types) > MOST_TYPES:
            raise InvalidInput("instance types", f"there are {len(self.instance_types)}", f"Give up to {MOST_TYPES}")
        if self.max_instances is not None and self.max_instances < 1:
            raise InvalidInput("--max-instances", "there must be at least 1", "To have none, scale to 0")
        if self.max_instances is not None and self.max_instances > MOST_INSTANCES:
            raise InvalidInput(f"--max-instances {self.max_instances}", f"there can be at most {MOST_INSTANCES:,}")
        if self.spot is not None and not 0 <= self.spot <= WHOLE:
            raise InvalidInput(f"--spot {self.spot}", "it is a percentage", "Give 0 to 100")
        self._check_keeping()

    def _check_keeping(self) -> None:
        """The same, of what is kept and told."""
        if self.volume is not None and self.volume > MOST_GIB:
            raise InvalidInput(f"--volume {self.volume}", f"a volume has at most {MOST_GIB:,} GiB")
        if self.log_days is not None and self.log_days not in LOG_DAYS:
            days = ", ".join(map(str, LOG_DAYS))
            raise InvalidInput(
                f"--log-days {self.log_days}", "CloudWatch Logs can't keep them so", f"Give one of {days}"
            )
        for pool, memory in self.memory.items():
            if memory < LEAST_MEMORY[pool]:
                raise InvalidInput(f"--{pool}-memory {memory}", f"its workers need at least {LEAST_MEMORY[pool]} MiB")
        if self.alarm_topic and not TOPIC.fullmatch(self.alarm_topic):
            example = "arn:aws:sns:eu-central-1:123456789012:alarms"
            raise InvalidInput(f"--alarm-topic {self.alarm_topic}", "it is no SNS topic's ARN", f"One is {example}")

    @property
    def names_network(self) -> bool:
        """Whether it says where the instances are to be."""
        return bool(self.vpc or self.subnets)


NO_SIZING: Final = Sizing()


@dataclass(frozen=True, slots=True)
class AutoscaleRange:
    """Between ``least`` and ``most`` workers, one more for each ``per_worker`` messages that wait. ``most`` 0: none."""

    least: int
    most: int
    per_worker: int

    def check(self) -> None:
        """Raise ``InvalidInput`` for a range that can't be."""
        if self.least < 0 or self.most < 0 or self.per_worker < 1:
            raise InvalidInput("autoscale", "--min and --max must not be negative, and --per-worker at least 1")
        if self.most and self.least > self.most:
            raise InvalidInput(f"--min {self.least}", f"it is more than --max {self.most}")
