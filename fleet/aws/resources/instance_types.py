"""Describes EC2 instance types and computes how many ECS tasks fit on a number of instances."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.stack_facts import StackFacts
from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import POOLS, Pool
from cloudkon.programs import command

from ...target import Report
from .names import UNPUBLISHED, parameter

CPU_UNITS: Final = 1024
"""CPU units of one vCPU."""
DEFAULT_SIZES: Final = {"WorkerCpu": "512", "WorkerMemory": "900", "AnimotoCpu": "1024", "AnimotoMemory": "1800"}
"""The compute template's defaults."""
USABLE_MEMORY: Final = 0.9
"""Share of a type's nominal memory: kernel and firmware keep 4 to 9 % (ECS Developer Guide, memory management)."""


@dataclass(frozen=True, slots=True)
class Size:
    """CPU units and MiB that an ECS task needs or that an instance offers."""

    cpu: int
    memory: int

    def holds(self, other: "Size") -> int:
        """Return how many of ``other`` fit into this size."""
        return max(0, min(self.cpu // other.cpu, self.memory // other.memory))

    def without(self, other: "Size", count: int) -> "Size":
        """Return what is left after ``count`` of ``other``."""
        return Size(self.cpu - other.cpu * count, self.memory - other.memory * count)


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type; ``memory`` is its nominal memory in MiB. ``free_tier``: whether the free plan allows it."""

    name: str
    vcpus: int
    memory: int
    architectures: tuple[str, ...] = ()
    free_tier: bool = False

    @property
    def size(self) -> Size:
        """What the type offers to ECS tasks, a low estimate."""
        return Size(self.vcpus * CPU_UNITS, math.floor(self.memory * USABLE_MEMORY))


@dataclass(frozen=True, slots=True)
class FleetCapacity:
    """The most that can run: ``instances`` of the smallest allowed type, and the size of each pool's ECS task."""

    instances: int
    instance: Size
    tasks: Mapping[str, Size]

    def needed(self, counts: Mapping[str, int]) -> float:
        """Return the instances needed for these counts, the largest task placed first; infinite if one fits nowhere."""
        left = {name: count for name, count in counts.items() if count}
        if any(not self.instance.holds(self.tasks[name]) for name in left):
            return math.inf
        order = sorted(left, key=lambda name: self.tasks[name].memory, reverse=True)
        instances = 0
        while left:
            free, placed = self.instance, dict[str, int]()
            for name in order:
                if count := min(left.get(name, 0), free.holds(self.tasks[name])):
                    free, placed[name] = free.without(self.tasks[name], count), count
            # Fill all instances with the same mix in one step.
            same = min(left[name] // count for name, count in placed.items())
            instances += same
            left = {name: rest for name, count in left.items() if (rest := count - placed.get(name, 0) * same)}
        return instances

    def most(self, pool: str, others: Mapping[str, int]) -> int:
        """Return the largest count of a pool that fits beside the others' counts; 0 if nothing fits."""
        low, high = 0, self.instances * self.instance.holds(self.tasks[pool])
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.needed({**others, pool: middle}) <= self.instances
            low, high = (middle, high) if fits else (low, middle - 1)
        return low

    def check(self, pool: str, count: int, others: Mapping[str, int]) -> None:
        """Raise ``InvalidInput`` for a count that can never run; name the largest possible count and the remedy."""
        wanted = {**others, pool: count}
        needed = self.needed(wanted)
        if not count or needed <= self.instances:
            return
        if math.isinf(needed):
            raise _too_large(pool, self.tasks[pool], self.instance)
        beside = "".join(f" beside {number} of pool {name}" for name, number in others.items() if number)
        raise InvalidInput(
            f"count {count}",
            f"{self.instances} instances hold {self.most(pool, others)} workers of pool {pool}{beside}",
            f"For {count}, first run: {command(f'fleet up --max-instances {int(needed)}')}",
        )


async def describe_instance_types(control: ControlPlane, types: Sequence[str]) -> list[InstanceType]:
    """Describe the instance types. Raises ``InvalidInput`` for one that does not exist in this region."""
    try:
        rows = await control.pages("ec2", "describe_instance_types", "InstanceTypes", InstanceTypes=[*types])
    except ServiceError as error:
        if error.code != "InvalidInstanceType":
            raise
        raise InvalidInput("instance types", str(error), "See --instance-types") from error
    return [
        InstanceType(
            row["InstanceType"],
            row["VCpuInfo"]["DefaultVCpus"],
            row["MemoryInfo"]["SizeInMiB"],
            tuple(row["ProcessorInfo"]["SupportedArchitectures"]),
            bool(row.get("FreeTierEligible")),
        )
        for row in rows
    ]


def check_task_sizes(instance_types: Sequence[InstanceType], given: Mapping[str, str], report: Report) -> None:
    """Refuse (``InvalidInput``) an ECS task larger than the smallest instance type: ECS can never place it.

    CloudFormation would wait three hours for it. ``given``: the compute template's known parameters. For a pool without
    a deployed image there is only a warning, since the pool may never be used.
    """
    smallest = _smallest(instance_types)
    for pool in POOLS:
        task = _task_size({**DEFAULT_SIZES, **given}, pool)
        if smallest.holds(task):
            continue
        refusal = _too_large(pool.name, task, smallest)
        if given.get(parameter(pool, "Image"), UNPUBLISHED) != UNPUBLISHED:
            raise refusal
        report(f"warning: {refusal}")


async def present_instance_types(control: ControlPlane, facts: StackFacts) -> list[InstanceType]:
    """Describe the types that the compute stack starts now."""
    return await describe_instance_types(control, facts.parameters["InstanceTypes"].split(","))


def capacity_of(instance_types: Sequence[InstanceType], given: Mapping[str, str]) -> FleetCapacity:
    """Return the most that can run with these parameters of the compute template on these types."""
    tasks = {pool.name: _task_size(given, pool) for pool in POOLS}
    return FleetCapacity(int(given["MaxInstances"]), _smallest(instance_types), tasks)


def _smallest(instance_types: Sequence[InstanceType]) -> Size:
    """Return the smallest CPU and memory among the types."""
    return Size(
        min(instance.size.cpu for instance in instance_types), min(instance.size.memory for instance in instance_types)
    )


def _too_large(pool: str, task: Size, instance: Size) -> InvalidInput:
    return InvalidInput(
        f"pool {pool}",
        f"one of its ECS tasks ({task.cpu} CPU units, {task.memory} MiB) is larger than the smallest instance"
        f" ({instance.cpu} CPU units, {instance.memory} MiB usable)",
        f"Give {command('fleet up')} larger --instance-types, or a smaller --{pool}-memory and --{pool}-cpu",
    )


def _task_size(given: Mapping[str, str], pool: Pool) -> Size:
    return Size(int(given[parameter(pool, "Cpu")]), int(given[parameter(pool, "Memory")]))
