"""Explains why a pool does not run the desired count of ECS tasks, in sentences for the user."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloudkon.programs import command

from .launch_failures import FREE_TIER_WORDS, explain_launch_failure
from .preflights.account_plan import free_tier_types
from .preflights.inquiry import Inquiry
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
"""An instance that has not registered by then won't register by itself. Registration takes about two minutes."""
RECENT_SECONDS: Final = 900.0
"""Older failures say nothing about the present state."""
IMAGE_FAILURES: Final = ("CannotPull", "ImagePull", "pull image manifest", "image not found")
"""How ECS's messages begin when an image can't be pulled (ECS Developer Guide, stopped task error messages)."""
UNREACHABLE: Final = ("request canceled", "context canceled", "i/o timeout", "timed out", "no such host")
"""Parts of those that are about the network, and not about the image (same page)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts to diagnose, read at ``now`` (epoch seconds)."""

    service: PoolService
    now: float
    stopped: Sequence[EcsTask] = ()
    protected: int = 0
    group: AutoScalingGroup | None = None
    instances: Sequence[Ec2Instance] = ()
    registered: Sequence[ContainerInstance] = ()
    launch_failures: Sequence[str] = field(default_factory=tuple)
    free_tier: Sequence[str] = ()
    """The instance types of the free plan; known only if a launch failed because of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem; ``permanent`` if waiting won't fix it."""

    text: str
    permanent: bool = False


async def gather_evidence(stacks: AccountStacks, service: PoolService, earlier: Collection[str] = ()) -> Evidence:
    """Read all facts about a pool that is not stable. ``earlier``: what no longer counts, from ``earlier_failures``."""
    now, control = stacks.clock.wall(), stacks.control
    since = now - RECENT_SECONDS
    group = await find_group(control, stacks.fleet)
    stopped = [
        task
        for task in await ecs_tasks(stacks, service.pool, "STOPPED")
        if task.arn not in earlier and task.created >= since
    ]
    failures = await failed_launches(control, group, since) if group else {}
    reasons = tuple(reason for activity, reason in failures.items() if activity not in earlier)
    free_plan = any(FREE_TIER_WORDS in reason for reason in reasons)
    return Evidence(
        service,
        now,
        stopped,
        len(await protected_tasks(stacks, service.pool)) if service.running > service.desired else 0,
        group,
        await find_instances(control, stacks.fleet),
        await container_instances(stacks),
        reasons,
        await free_tier_types(Inquiry(control)) if free_plan else (),
    )


async def earlier_failures(stacks: AccountStacks, *pools: str) -> set[str]:
    """Return the ARNs of stopped ECS tasks and the ids of failed launches, so that only later ones count.

    They are identified like this because the local clock differs from AWS's clock.
    """
    stopped = {task.arn for pool in pools for task in await ecs_tasks(stacks, pool, "STOPPED")}
    group = await find_group(stacks.control, stacks.fleet)
    since = stacks.clock.wall() - RECENT_SECONDS
    return stopped | {*(await failed_launches(stacks.control, group, since) if group else ())}


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return what keeps the pool from its desired count, permanent problems first; empty if the pool is stable."""
    service = evidence.service
    findings = _rollout(service) + _stopped(evidence)
    if service.running > service.desired:
        findings += _too_many(evidence)
    if service.running < service.desired:
        findings += _too_few(evidence)
        if not findings and service.events:
            findings.append(Finding(f"pool {service.pool}: ECS reports: {service.events[0][1]}"))
    return sorted(findings, key=lambda finding: not finding.permanent)


def _rollout(service: PoolService) -> list[Finding]:
    """Report a deployment that the circuit breaker rolled back, or whose ECS tasks keep failing."""
    return [
        Finding(
            f"pool {service.pool}: its deployment failed and was rolled back: {one.reason}"
            if one.rollout == "FAILED"
            else f"pool {service.pool}: {one.failed} ECS tasks of its deployment have failed: {one.reason}"
        )
        for one in service.deployments
        if one.rollout == "FAILED" or (one.failed and one.rollout == "IN_PROGRESS")
    ]


def _stopped(evidence: Evidence) -> list[Finding]:
    """Report why ECS tasks stopped that nothing stopped on purpose."""
    service = evidence.service
    if service.running >= service.desired:
        return []
    reasons = list(
        dict.fromkeys(task.reason for task in evidence.stopped if task.reason and not _was_deliberate(task.reason))
    )
    for reason in reasons:
        if any(sign in reason for sign in IMAGE_FAILURES):
            if any(sign in reason for sign in UNREACHABLE):
                return [Finding(f"pool {service.pool}: the instances can't reach the image registry ({reason})")]
            remedy = f"publish it with: {command('fleet publish')}, then: {command('fleet deploy')}"
            return [Finding(f"pool {service.pool}: its image can't be pulled ({reason}); {remedy}", permanent=True)]
    return (
        [Finding(f"pool {service.pool}: {len(evidence.stopped)} ECS tasks stopped early: {reasons[0]}")]
        if reasons
        else []
    )


def _was_deliberate(reason: str) -> bool:
    """Whether the ECS task was stopped by scale-in or a deployment, or because its instance was terminated."""
    return reason.startswith(("Scaling activity initiated by", "Service scheduler", "Task stopped by user"))


def _too_many(evidence: Evidence) -> list[Finding]:
    service = evidence.service
    if evidence.protected:
        return [
            Finding(
                f"pool {service.pool}: {evidence.protected} workers are protected from scale-in while they have work; "
                "each stops when it finishes its chunk"
            )
        ]
    return [
        Finding(f"pool {service.pool}: {service.running - service.desired} surplus workers are finishing their work")
    ]


def _too_few(evidence: Evidence) -> list[Finding]:
    service, group = evidence.service, evidence.group
    findings: list[Finding] = []
    if group is None:
        return [Finding(f"pool {service.pool}: the Auto Scaling group is gone; restore it with: {command('fleet up')}")]
    findings += _failed_launch(evidence)
    known = {one.ec2_id for one in evidence.registered}
    old = [
        instance.id
        for instance in evidence.instances
        if instance.state == "running"
        and instance.id not in known
        and evidence.now - instance.launched > REGISTER_SECONDS
    ]
    if old:
        findings.append(
            Finding(
                f"{len(old)} running instances have not registered with the cluster ({', '.join(old[:3])}): they can't "
                "reach the ECS endpoints, or their agent does not start; see their system log"
            )
        )
    if lost := [one.ec2_id for one in evidence.registered if not one.connected]:
        findings.append(Finding(f"the ECS agent of {len(lost)} instances does not answer ({', '.join(lost[:3])})"))
    if draining := sum(one.draining for one in evidence.registered):
        findings.append(
            Finding(f"{draining} instances are draining: nothing new starts there, and they go when their workers end")
        )
    if group.desired >= group.most and not findings:
        ready = sum(one.in_service for one in group.instances)
        if ready >= group.most:
            text = f"all {group.most} instances that --max-instances allows are running and full"
            findings.append(Finding(f"pool {service.pool}: {text}"))
    booting = sum(one.lifecycle.startswith("Pending") for one in group.instances)
    booting += sum(instance.id not in known and instance.id not in old for instance in _up(evidence))
    if booting and not findings:
        findings.append(Finding(f"{booting} instances are starting, which takes two to three minutes"))
    return findings


def _up(evidence: Evidence) -> list[Ec2Instance]:
    pending = {
        one.id for one in (evidence.group.instances if evidence.group else ()) if one.lifecycle.startswith("Pending")
    }
    return [instance for instance in evidence.instances if instance.state == "running" and instance.id not in pending]


def _failed_launch(evidence: Evidence) -> list[Finding]:
    """Report the newest reason for a failed launch; one that waiting won't change comes before the others."""
    reasons = list(dict.fromkeys(evidence.launch_failures))
    # An instance that is about to end still has its vCPUs, which the next launch may get.
    leaving = any(instance.state in ("stopping", "shutting-down") for instance in evidence.instances)
    explained = [explain_launch_failure(reason, evidence.free_tier, leaving=leaving) for reason in reasons]
    explained.sort(key=lambda one: not one.permanent)
    return [Finding(one.text, permanent=one.permanent) for one in explained[:1]]
