"""Offers steps that many tests of a fleet begin with."""

from collections.abc import Awaitable, Callable
from typing import Final

from cloudkon.model import WORKER
from fleet.aws.target import AwsTarget
from fleet.target import Report
from tests.fleet.double.account import Account
from tests.fleet.double.auto_scaling_group import AutoScalingGroup
from tests.fleet.double.ecs_service import EcsService
from tests.fleet.double.ecs_task import EcsTask
from tests.fleet.double.real_templates import NAME, TAG, publish

IGNORE_REPORT: Final[Callable[[str], None]] = lambda _: None  # noqa: E731  (a report callback that does nothing)


async def deploy_fleet(account: Account, target: AwsTarget) -> None:
    """Bring a fleet up and deploy an image for its workers."""
    await target.up(IGNORE_REPORT)
    publish(account, tag="one")
    await target.deploy((WORKER,), "one", IGNORE_REPORT)


async def start_workers(account: Account, target: AwsTarget, count: int) -> None:
    """Bring a fleet up and scale to ``count`` workers."""
    await deploy_fleet(account, target)
    await target.scale(WORKER, count, IGNORE_REPORT)


def worker_service(account: Account) -> EcsService:
    """Return the workers' service in its present state."""
    account.settle()
    return account.ecs.clusters.get(NAME).services["worker"]


def running(account: Account) -> list[EcsTask]:
    """Return the running workers."""
    return [task for task in worker_service(account).tasks if task.status == "RUNNING"]


def the_group(account: Account) -> AutoScalingGroup:
    """Return the fleet's only group."""
    account.settle()
    (found,) = account.autoscaling.groups
    return found


def left(account: Account) -> list[str]:
    """Return what is left of the fleet: ARNs with its tag, and names of untagged resources that AWS created."""
    account.settle()
    untagged = [*account.cloudwatch.alarms.names(), *account.logs.groups.names()]
    return account.tags.arns(TAG, NAME) + [name for name in untagged if "/" in name or name.startswith("Target")]


class Crash(BaseException):
    """The fleet's process crashes here; none of its code runs afterwards."""


async def run_until_crash(verb: Awaitable[object]) -> bool:
    """Run a verb that may raise ``Crash``; return whether it did."""
    try:
        await verb
    except Crash:
        return True
    except BaseExceptionGroup as several:
        if several.split(Crash)[1] is not None:
            raise
        return True
    return False


def lacking_capacity(account: Account, reports: list[str], *, until: str) -> Report:
    """Let EC2 have no capacity until a line with these words is reported. Return the callback that takes the lines."""
    account.autoscaling.capacity = False

    def report(line: str) -> None:
        reports.append(line)
        account.autoscaling.capacity = account.autoscaling.capacity or until in line

    return report
