"""Replaces instances that were launched from an older launch template than the group's: ``up --refresh``.

A few at a time they are drained, so that ECS moves their ECS tasks, and let go when they are empty. Managed scaling
starts new instances for the ECS tasks that wait, never more than ``--max-instances``.

Nothing is remembered between runs. An instance that an interrupted run left draining is old or draining still, so the
next run finishes it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from cloudkon.errors import ServiceError
from cloudkon.model import POOLS
from cloudkon.programs import command

from ..target import Report
from .diagnosis import earlier_failures
from .periodic_diagnosis import PeriodicDiagnosis
from .resources.account_stacks import AccountStacks
from .resources.auto_scaling_group import AutoScalingGroup, GroupInstance, find_group, let_go
from .resources.ecs_service import (
    ContainerInstance,
    EcsTask,
    PoolService,
    container_instances,
    drain,
    ecs_tasks,
    protected_tasks,
    read_services,
)

SHARE: Final = 4
"""One of this many instances is replaced at a time: at most a quarter of the workers is missing, but at least one."""
ROOM_SECONDS: Final = 600.0
"""How long ECS has for starting replacements first, while the group may grow. Instances boot in three minutes."""
POLL_SECONDS: Final = 15.0
"""Poll interval. A busy worker's gap between two chunks, in which it can be stopped, is four times as long."""
DRAIN_SECONDS: Final = 7200.0
"""Patience with ECS tasks that don't end. A busy worker can be stopped when its chunk ends."""
PATIENCE_SECONDS: Final = 1200.0
"""Time for replacements to run: capacity may be short for a while."""
BATCH_MINUTES: Final = 5
"""About how long a batch takes, beside the chunks that its workers have begun."""
STOP_REASON: Final = "Task stopped by user: its instance is replaced"
"""Begins as ECS's own reason for a stopped ECS task, so that a diagnosis knows it as deliberate."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The group, its registered instances by EC2 id, and the services by pool, read at about the same time."""

    group: AutoScalingGroup
    registered: Mapping[str, ContainerInstance]
    services: Mapping[str, PoolService]

    @property
    def staying(self) -> list[GroupInstance]:
        """The instances that are not terminating."""
        return [one for one in self.group.instances if not one.leaving]

    def old(self) -> list[GroupInstance]:
        """Return the instances to replace: launched from another version, or left draining by an interrupted run."""
        return [one for one in self.staying if one.version != self.group.version or self.draining(one)]

    def those(self, ids: Collection[str]) -> list[GroupInstance]:
        """Return which of these instances are not terminating yet, those that drain already first, then idle ones."""
        found = [one for one in self.staying if one.id in ids]
        return sorted(found, key=lambda one: (not self.draining(one), bool(self.busy(one))))

    def draining(self, one: GroupInstance) -> bool:
        """Whether ECS places nothing new on an instance."""
        there = self.registered.get(one.id)
        return there is not None and there.draining

    def busy(self, one: GroupInstance) -> int:
        """Return how many ECS tasks an instance has."""
        there = self.registered.get(one.id)
        return there.busy if there else 0

    def free(self, one: GroupInstance) -> bool:
        """Whether an instance costs no worker: it drains already, or has no ECS tasks."""
        return self.draining(one) or not self.busy(one)

    @property
    def full(self) -> bool:
        """Whether the group may not grow."""
        return self.group.desired >= self.group.most

    @property
    def step(self) -> int:
        """How many instances with workers are drained at a time."""
        return max(1, sum(one.in_service for one in self.group.instances) // SHARE)

    def short(self) -> list[PoolService]:
        """Return the pools that wait for workers; none if all that fit under ``--max-instances`` run."""
        active = [one for one in self.registered.values() if not one.draining]
        if len(active) >= self.group.most and all(one.busy and not one.starting for one in active):
            return []
        return [one for one in self.services.values() if one.running < one.desired]


class Refresh:
    """One replacement of a fleet's old instances."""

    def __init__(self, stacks: AccountStacks, report: Report) -> None:
        """``report`` gets a line for each step."""
        self._stacks, self._report = stacks, report
        self._total = self._done = 0

    async def preview(self, *, template_changes: bool) -> str:
        """Return how many instances ``run`` would replace now, after an update that does or doesn't change them."""
        fleet = await self._read()
        if fleet is None or not fleet.staying:
            return "refresh: no instances run"
        old = len(fleet.staying if template_changes else fleet.old())
        return f"refresh: replace {old} of {len(fleet.staying)} instances{self._pace(fleet) if old else ''}"

    async def run(self) -> None:
        """Replace what is old now. Raises ``ServiceError`` if ECS tasks don't end, or replacements don't come.

        Nothing more is drained then.
        """
        fleet = await self._read()
        if fleet is None or not (old := {one.id for one in fleet.old()}):
            self._report("refresh: no instance is older than its launch template")
            return
        self._total = len(old)
        self._report(
            f"refresh: replacing {self._total} of {len(fleet.staying)} instances{self._pace(fleet)} "
            "(Ctrl-C leaves instances that are draining: run it again to finish)"
        )
        if fleet.full:
            self._report(
                f"refresh: all {fleet.group.most} instances that --max-instances allows are in use: old ones stop "
                f"before new ones start, and up to {fleet.step} are missing meanwhile"
            )
        # First: an instance that drains already may take the place of the one that waiting workers need.
        await self._replace([one.id for one in fleet.staying if fleet.draining(one)])
        await self._wait_for_workers()
        while (fleet := await self._read()) and (left := fleet.those(old)):
            free = [one for one in left if fleet.free(one)]
            busy = [one for one in left if not fleet.free(one)]
            await self._replace([one.id for one in [*free, *busy[: fleet.step]]])
            await self._wait_for_workers()
        self._report(f"refresh: all {self._total} old instances are gone")

    def _pace(self, fleet: Fleet) -> str:
        return (
            f", {fleet.step} with workers at a time: about {BATCH_MINUTES} minutes each time, and longer until its "
            "workers have finished what they run"
        )

    async def _read(self) -> Fleet | None:
        """Return the fleet, or ``None`` if it has no group. Raises ``ServiceError`` if old instances can't be told."""
        group = await find_group(self._stacks.control, self._stacks.fleet)
        if group is None:
            return None
        if not group.version.isdecimal():
            raise ServiceError(
                f"Auto Scaling group {group.name}: its launch template's version is {group.version or 'unknown'!r}, so "
                "nobody can tell which instances are old. Set it to a number, as the template does"
            )
        registered = {one.ec2_id: one for one in await container_instances(self._stacks)}
        return Fleet(group, registered, await read_services(self._stacks))

    async def _replace(self, batch: Sequence[str]) -> None:
        """Drain instances and let each go when it is empty."""
        started = progressed = trio.current_time()
        fewest, refused = -1, ""
        while (fleet := await self._read()) and (left := fleet.those(batch)):
            await drain(self._stacks, [there for one in left if (there := fleet.registered.get(one.id))])
            workers = sum(fleet.busy(one) for one in left)
            if workers != fewest:
                fewest, progressed = workers, trio.current_time()
                self._report(f"refresh: draining {len(left)} instances, with {workers} ECS tasks")
            if trio.current_time() >= progressed + DRAIN_SECONDS:
                raise self._stopped(
                    f"{len(left)} instances are still draining ({', '.join(one.id for one in left[:3])}), with "
                    f"{workers} ECS tasks that have not ended for {DRAIN_SECONDS / 60:.0f} minutes{refused}"
                )
            if workers and (fleet.full or trio.current_time() >= started + ROOM_SECONDS):
                await self._stop_idle_workers(fleet, left)
            for one in left:
                if one.in_service and not fleet.busy(one) and self._drained(fleet, one):
                    refused = await self._let_go(fleet.group, one)
                    progressed = trio.current_time()
            await trio.sleep(POLL_SECONDS)

    def _drained(self, fleet: Fleet, one: GroupInstance) -> bool:
        """Whether nothing can be placed on an instance: it drains, or it never registered."""
        there = fleet.registered.get(one.id)
        return there is None or there.draining

    async def _let_go(self, group: AutoScalingGroup, one: GroupInstance) -> str:
        """Terminate an empty instance. Return why that was refused, if it was; the next poll tries again."""
        try:
            await let_go(self._stacks.control, group, one)
        except ServiceError as error:
            return f". {one.id} could not be terminated: {error}"
        self._done += 1
        self._report(f"refresh: {one.id} goes, {self._done} of {self._total}")
        return ""

    async def _stop_idle_workers(self, fleet: Fleet, left: Sequence[GroupInstance]) -> None:
        """Stop the unprotected ECS tasks of draining instances: idle workers, and busy ones between two chunks.

        ECS itself stops them only as far as each service keeps its minimum of healthy ones, so never the only worker
        of a pool before another one runs, for which there is no room (ECS Developer Guide, Draining Amazon ECS
        container instances). A worker that is stopped finishes or releases its chunks, which costs no attempt.
        """
        drained = {there.arn for one in left if (there := fleet.registered.get(one.id)) and there.draining}
        for pool in POOLS:
            tasks = [task for task in await ecs_tasks(self._stacks, pool.name) if task.instance in drained]
            kept = set(await protected_tasks(self._stacks, pool.name)) if tasks else set()
            for task in tasks:
                if task.arn not in kept:
                    await self._stop(task)

    async def _stop(self, task: EcsTask) -> None:
        try:
            await self._stacks.ecs("stop_task", task=task.arn, reason=STOP_REASON)
        except ServiceError as error:
            # It ended meanwhile.
            if error.code != "InvalidParameterException":
                raise

    async def _wait_for_workers(self) -> None:
        """Wait until the pools run what they should, so that no batch follows one that was not replaced."""
        begun = trio.current_time()
        earlier = await earlier_failures(self._stacks, *(pool.name for pool in POOLS))
        diagnosis = PeriodicDiagnosis(self._stacks, self._report, soon=True)
        while (fleet := await self._read()) and (short := fleet.short()):
            if diagnosis.due():
                finding = await diagnosis.diagnose(short, earlier)
                if finding and finding.permanent:
                    raise self._stopped(finding.text)
            if trio.current_time() >= begun + PATIENCE_SECONDS:
                pools = ", ".join(f"pool {one.pool}: {one.running} of {one.desired} workers run" for one in short)
                minutes = f"after {PATIENCE_SECONDS / 60:.0f} minutes"
                raise self._stopped(f"{pools} {minutes}{': ' + diagnosis.reason if diagnosis.reason else ''}")
            await trio.sleep(POLL_SECONDS)

    def _stopped(self, reason: str) -> ServiceError:
        return ServiceError(
            f"{reason}. The refresh stopped: {self._done} of {self._total} instances are replaced, and no other is "
            f"drained. Run it again to go on: {command('fleet up --refresh')}"
        )
