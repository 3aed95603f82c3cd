"""Diagnosis: why a pool does not run as many ECS tasks as are wanted, in sentences for a person."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from .resources.account_stacks import AccountStacks
from .resources.auto_scaling_group import AutoScalingGroup, Ec2Instance, failed_launches, find_group, find_instances
from .resources.ecs_service import (
    ContainerInstance,
    EcsTask,
    PoolService,
    container_instances,
    ecs_tasks,
    protected_tasks,
)

REGISTER_SECONDS: Final = 300.0
"""An instance that has not registered by then won't by itself: one takes about two minutes."""
RECENT_SECONDS: Final = 900.0
"""How far back failures still tell something of now."""
IMAGE_FAILURES: Final = ("CannotPull", "ImagePull", "pull image manifest", "image not found")
"""How ECS begins to say that an image can't be had (ECS Developer Guide, stopped task error messages)."""

CAPACITY_REMEDIES: Final = {
    ("InsufficientInstanceCapacity", "do not have sufficient", "UnfulfillableCapacity"): (
        "EC2 has none to give now; more --instance-types or another subnet may help"
    ),
    ("VcpuLimitExceeded", "vCPU limit", "MaxSpotInstanceCountExceeded"): (
        "the account's quota of vCPUs is used up; have it raised in Service Quotas"
    ),
}
"""By words in what Auto Scaling says of a launch that failed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is to be judged, as it was read at ``now`` (epoch seconds)."""

    service: PoolService
    now: float
    stopped: Sequence[EcsTask] = ()
    protected: int = 0
    group: AutoScalingGroup | None = None
    instances: Sequence[Ec2Instance] = ()
    registered: Sequence[ContainerInstance] = ()
    launch_failures: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong; ``permanent`` where waiting won't mend it."""

    text: str
    permanent: bool = False


async def gather(stacks: AccountStacks, service: PoolService, over: Collection[str] = ()) -> Evidence:
    """Read all that explains a pool which is not as wanted; ``over``: ARNs of ECS tasks that don't count any more."""
    now, control = stacks.clock.wall(), stacks.control
    since = now - RECENT_SECONDS
    group = await find_group(control, stacks.fleet)
    stopped = [
        task
        for task in await ecs_tasks(stacks, service.pool, "STOPPED")
        if task.arn not in over and task.created >= since
    ]
    return Evidence(
        service,
        now,
        stopped,
        len(await protected_tasks(stacks, service.pool)) if service.running > service.desired else 0,
        group,
        await find_instances(control, stacks.fleet),
        await container_instances(stacks),
        await failed_launches(control, group, since) if group else (),
    )


def diagnose(seen: Evidence) -> list[Finding]:
    """What keeps the pool from its count, what is hopeless first; nothing where it is as wanted."""
    service = seen.service
    findings = _rollout(service) + _stopped(seen)
    if service.running > service.desired:
        findings += _too_many(seen)
    if service.running < service.desired:
        findings += _too_few(seen)
        if not findings and service.events:
            findings.append(Finding(f"pool {service.pool}: ECS says: {service.events[0][1]}"))
    return sorted(findings, key=lambda finding: not finding.permanent)


def _rollout(service: PoolService) -> list[Finding]:
    """A deployment that the circuit breaker ended, or that keeps failing."""
    return [
        Finding(
            f"pool {service.pool}: its deployment failed and was rolled back: {one.reason}"
            if one.rollout == "FAILED"
            else f"pool {service.pool}: {one.failed} ECS tasks of its deployment have failed: {one.reason}"
        )
        for one in service.deployments
        if one.rollout == "FAILED" or (one.failed and one.rollout == "IN_PROGRESS")
    ]


def _stopped(seen: Evidence) -> list[Finding]:
    """What ECS tasks died of that were not stopped on purpose."""
    service = seen.service
    if service.running >= service.desired:
        return []
    reasons = list(
        dict.fromkeys(task.reason for task in seen.stopped if task.reason and not _was_deliberate(task.reason))
    )
    for reason in reasons:
        if any(sign in reason for sign in IMAGE_FAILURES):
            remedy = "publish it with: python -m fleet publish, then: python -m fleet deploy"
            return [Finding(f"pool {service.pool}: its image can't be pulled ({reason}); {remedy}", permanent=True)]
    return [Finding(f"pool {service.pool}: {len(seen.stopped)} ECS tasks ended early: {reasons[0]}")] if reasons else []


def _was_deliberate(reason: str) -> bool:
    """Whether an ECS task was stopped because fewer, or newer ones, are wanted, or because its instance had to go."""
    return reason.startswith(("Scaling activity initiated by", "Service scheduler", "Task stopped by user"))


def _too_many(seen: Evidence) -> list[Finding]:
    service = seen.service
    if seen.protected:
        return [
            Finding(
                f"pool {service.pool}: {seen.protected} workers are protected from scale-in while they have work; "
                "each goes when it is between chunks"
            )
        ]
    return [
        Finding(f"pool {service.pool}: {service.running - service.desired} workers are ending what they have begun")
    ]


def _too_few(seen: Evidence) -> list[Finding]:
    service, group = seen.service, seen.group
    findings: list[Finding] = []
    if group is None:
        return [Finding(f"pool {service.pool}: the Auto Scaling group is gone; mend it with: python -m fleet up")]
    findings += [_no_capacity(reason) for reason in list(dict.fromkeys(seen.launch_failures))[:1]]
    known = {one.ec2_id for one in seen.registered}
    old = [
        instance.id
        for instance in seen.instances
        if instance.state == "running" and instance.id not in known and seen.now - instance.launched > REGISTER_SECONDS
    ]
    if old:
        findings.append(
            Finding(
                f"{len(old)} instances run and have not registered with the cluster ({', '.join(old[:3])}): they can't "
                "reach the endpoints of ECS, or their agent does not start; their system log tells"
            )
        )
    if lost := [one.ec2_id for one in seen.registered if not one.connected]:
        findings.append(Finding(f"the ECS agent of {len(lost)} instances does not answer ({', '.join(lost[:3])})"))
    if group.desired >= group.most and not findings:
        ready = sum(one.in_service for one in group.instances)
        if ready >= group.most:
            text = f"all {group.most} instances that --max-instances allows run, and there is no more room"
            findings.append(Finding(f"pool {service.pool}: {text}"))
    booting = sum(one.lifecycle.startswith("Pending") for one in group.instances)
    booting += sum(instance.id not in known and instance.id not in old for instance in _up(seen))
    if booting and not findings:
        findings.append(Finding(f"{booting} instances are starting, which takes two to three minutes"))
    return findings


def _up(seen: Evidence) -> list[Ec2Instance]:
    pending = {one.id for one in (seen.group.instances if seen.group else ()) if one.lifecycle.startswith("Pending")}
    return [instance for instance in seen.instances if instance.state == "running" and instance.id not in pending]


def _no_capacity(reason: str) -> Finding:
    """Auto Scaling's words for why it got no instance, with what may be done about it."""
    remedy = next(
        (text for signs, text in CAPACITY_REMEDIES.items() if any(sign in reason for sign in signs)),
        "the group goes on trying",
    )
    return Finding(f"no capacity: {reason.rstrip('.')} ({remedy})")
