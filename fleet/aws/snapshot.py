"""Builds the fleet's status on AWS from ECS, its Auto Scaling group, its queues and their metrics."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cloudkon.aws import connect
from cloudkon.aws.stack_facts import StackFacts
from cloudkon.aws.waker import Scaling, find_scaling
from cloudkon.errors import CloudKonError, NoFleet
from cloudkon.model import POOLS, Pool, Priority
from cloudkon.prices import prices
from cloudkon.programs import command

from ..status import CostStatus, FleetStatus, InstancesStatus, PoolStatus
from .cost import HOUR, Cost, Rate, fleet_cost
from .diagnosis import diagnose, gather_evidence
from .resources.account_stacks import AccountStacks
from .resources.auto_scaling_group import AutoScalingGroup, find_group, find_instances
from .resources.ecs_service import ContainerInstance, PoolService, container_instances, read_services

WINDOW: Final = timedelta(minutes=15)
"""How far back metrics are read. SQS publishes every minute, and for an idle queue up to 15 minutes late."""
PERIOD_SECONDS: Final = 60
WAKE_MINUTES: Final = 20
"""The latest metrics of a queue, and the five minutes of the alarm (compute template, ``WorkerWakeAlarm``)."""
NO_SCALING: Final = "by hand"


async def snapshot(stacks: AccountStacks) -> FleetStatus:
    """Read the status. A service that does not answer becomes a problem in it. Raises ``NoFleet`` without a fleet."""
    facts = await _facts(stacks)
    services = await read_services(stacks)
    metrics = await _metrics(stacks)
    problems = [] if facts.state.endswith("_COMPLETE") else [f"stack {stacks.compute().name} is {facts.state}"]
    notes: list[str] = []
    pools = {}
    for pool in POOLS:
        scaling = await find_scaling(stacks.control, stacks.fleet, pool.name)
        pools[pool.name] = found = await _pool(stacks, pool, services.get(pool.name), scaling, metrics, problems)
        if scaling and not scaling.suspended and not found.desired and found.backlog and found.backlog.visible:
            notes.append(_asleep(pool, found.backlog.visible))
        if scaling and scaling.suspended:
            remedy = f"resume it with: {command(f'fleet autoscale --pool {pool.name}')}"
            notes.append(f"pool {pool.name}: autoscaling is suspended, because its count was set by hand; {remedy}")
        problems += await _diagnosed(stacks, services.get(pool.name), pool)
    group, registered = await find_group(stacks.control, stacks.fleet), await container_instances(stacks)
    notes += _draining(group, registered)
    cost = await _cost(stacks, facts, metrics)
    if cost.unknown:
        notes.append(f"the price list has no {', '.join(cost.unknown)}: these count as free")
    return FleetStatus(
        fleet=stacks.fleet,
        target="aws",
        endpoint_url=stacks.control.connection.endpoint,
        uptime_seconds=max(0.0, stacks.clock.wall() - facts.created) if facts.created else 0.0,
        emulator=None,
        pools=pools,
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(notes),
        place=str(stacks.account),
        instances=_instances(group, registered),
        cost=CostStatus(cost.hour, cost.thousand_tasks, cost.origin),
    )


async def _facts(stacks: AccountStacks) -> StackFacts:
    """Return the compute stack's facts. Raises ``NoFleet`` that says whether the data stack exists."""
    facts = await stacks.compute().facts()
    if facts.exists:
        return facts
    if not (await stacks.data().facts()).exists:
        return await stacks.compute_facts()
    raise NoFleet(
        f"fleet {stacks.fleet!r}",
        f"only its queues, ledger and store exist on {stacks.account}; no workers run",
        f"Start it with: {command('fleet up')}",
    )


async def _pool(
    stacks: AccountStacks,
    pool: Pool,
    service: PoolService | None,
    scaling: Scaling | None,
    metrics: Mapping[str, list[float]],
    problems: list[str],
) -> PoolStatus:
    backlog, dead = None, None
    try:
        queues = connect(stacks.settings, connection=stacks.control.connection)
        backlog = await queues.backlog(pool.name)
        dead_depth = await queues.dead_letters[pool.name].depth()
        dead = dead_depth.visible + dead_depth.in_flight + dead_depth.delayed
    except CloudKonError as error:
        problems.append(f"the queues don't answer: {error}")
    if service is None:
        problems.append(f"pool {pool.name}: its ECS service is gone; restore it with: {command('fleet up')}")
    ages = [found[0] for word in ("age", "age_high") if (found := metrics.get(_metric_id(pool, word)))]
    return PoolStatus(
        desired=service.desired if service else 0,
        restarts=0,
        backlog=backlog,
        dead_letters=dead,
        counted=service.running if service else 0,
        pending=service.pending if service else 0,
        oldest_seconds=max(ages) if ages and backlog and backlog.visible + backlog.in_flight else None,
        scaling=_scaling(scaling),
    )


def _asleep(pool: Pool, waiting: int) -> str:
    """Say how a pool at zero gets a worker. No document promises that its alarm sees the queue's metrics."""
    waking = command(f"fleet scale 1 --pool {pool.name}"), command(f"fleet autoscale --pool {pool.name}")
    return (
        f"pool {pool.name}: {waiting} messages wait and it has no workers. A push starts some at once, and its "
        f"alarm starts one within {WAKE_MINUTES} minutes. If it does not, run: {waking[0]}, then: {waking[1]}"
    )


def _scaling(found: Scaling | None) -> str:
    if found is None:
        return NO_SCALING
    return "suspended" if found.suspended else f"{found.least} to {found.most}"


async def _diagnosed(stacks: AccountStacks, service: PoolService | None, pool: Pool) -> list[str]:
    if service is None or service.settled:
        return []
    try:
        return [finding.text for finding in diagnose(await gather_evidence(stacks, service))]
    except CloudKonError as error:
        return [f"pool {pool.name}: the reason for its state could not be found: {error}"]


def _draining(group: AutoScalingGroup | None, registered: Sequence[ContainerInstance]) -> list[str]:
    """Return a note about instances that drain without terminating: an interrupted ``up --refresh`` leaves such."""
    staying = {one.id for one in group.instances if not one.leaving} if group else set()
    found = [one.ec2_id for one in registered if one.draining and one.ec2_id in staying]
    remedy = f"replace them with: {command('fleet up --refresh')}"
    return [f"{len(found)} instances are draining ({', '.join(found[:3])}); {remedy}"] if found else []


def _instances(group: AutoScalingGroup | None, registered: Sequence[ContainerInstance]) -> InstancesStatus:
    return InstancesStatus(
        wanted=group.desired if group else 0,
        most=group.most if group else 0,
        running=sum(one.in_service for one in group.instances) if group else 0,
        registered=len(registered),
        idle=sum(not one.busy for one in registered),
    )


async def _cost(stacks: AccountStacks, facts: StackFacts, metrics: Mapping[str, list[float]]) -> Cost:
    instances = [
        one for one in await find_instances(stacks.control, stacks.fleet) if one.state in ("pending", "running")
    ]
    chunks, tasks = (
        sum(sum(metrics.get(_metric_id(pool, word), ())) for pool in POOLS for word in words)
        / (WINDOW.total_seconds() / HOUR)
        for words in (("deleted", "deleted_high"), ("tasks",))
    )
    return fleet_cost(instances, int(facts.parameters.get("VolumeGiB", 0)), Rate(chunks, tasks), prices())


async def _metrics(stacks: AccountStacks) -> dict[str, list[float]]:
    """Return the queues' recent metrics by id, each with its newest value first."""
    now = datetime.fromtimestamp(stacks.clock.wall(), UTC)
    queries = [query for pool in POOLS for query in _queries(stacks.fleet, pool)]
    try:
        rows = await stacks.control.pages(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=queries,
            StartTime=now - WINDOW,
            EndTime=now,
            ScanBy="TimestampDescending",
        )
    except CloudKonError:
        # A user without permission for metrics still gets the rest of the status.
        return {}
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["Id"], []).extend(row["Values"])
    return found


def _metric_id(pool: Pool, word: str) -> str:
    return f"{pool.name}_{word}"


def _queries(fleet: str, pool: Pool) -> list[dict[str, Any]]:
    """Return queries for SQS's metrics of a pool's queues and for the task count that its workers log."""
    queue, high = ({"QueueName": pool.queue_name(fleet, priority)} for priority in Priority)
    return [
        _query(_metric_id(pool, "age"), "AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", queue),
        _query(_metric_id(pool, "age_high"), "AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", high),
        _query(_metric_id(pool, "deleted"), "AWS/SQS", "NumberOfMessagesDeleted", "Sum", queue),
        _query(_metric_id(pool, "deleted_high"), "AWS/SQS", "NumberOfMessagesDeleted", "Sum", high),
        _query(_metric_id(pool, "tasks"), "CloudKon", "Tasks", "Sum", {"Fleet": fleet, "Pool": pool.name}),
    ]


def _query(identity: str, space: str, name: str, statistic: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    metric = {
        "Namespace": space,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    return {"Id": identity, "MetricStat": {"Metric": metric, "Period": PERIOD_SECONDS, "Stat": statistic}}
