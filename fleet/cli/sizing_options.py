"""Defines the options of ``up`` for network and instances (target aws)."""

from collections.abc import Callable
from typing import Any, Final

import click

from cloudkon.model import POOLS

from ..resource_tags import parse_tags
from ..target_options import Sizing

Command = Callable[..., Any]

OPTIONS: Final = (
    click.option("--vpc", default="", help="The VPC to run in.  [default: the account's default VPC]"),
    click.option("--subnets", default="", help="Its subnets, comma-separated.  [default: those with internet access]"),
    click.option("--arm", "architecture", flag_value="arm64", help="Use Graviton instances."),
    click.option("--x86", "architecture", flag_value="x86_64", help="Use x86-64 instances, the default."),
    click.option(
        "--instance-types", default="", help="Up to four, comma-separated.  [default: c7i.large or c7g.large]"
    ),
    click.option("--max-instances", type=int, default=None, help="Most instances; limits the cost.  [default: 4]"),
    click.option("--on-demand-base", type=click.IntRange(min=0), default=None, help="Instances that are never Spot."),
    click.option("--spot", type=int, default=None, help="Percentage of Spot above that base.  [default: 0]"),
    click.option(
        "--volume", type=click.IntRange(min=30), default=None, help="GiB of disk per instance.  [default: 30]"
    ),
    click.option("--log-days", type=int, default=None, help="Days to keep logs.  [default: 30]"),
    click.option("--alarm-topic", default=None, help="ARN of an SNS topic for dead-letter alarms."),
    click.option("--tags", multiple=True, help="KEY=VALUE for all resources; repeatable. KEY= removes one."),
    click.option("--permissions-boundary", default=None, help="ARN of a policy that bounds the fleet's roles."),
    click.option("--warm-throughput", type=int, default=None, help="The ledger's writes a second from the start."),
    click.option(
        "--point-in-time-recovery/--no-point-in-time-recovery", default=None, help="Back up the ledger continuously."
    ),
    click.option("--versioning/--no-versioning", default=None, help="Keep old versions in the store for 30 days."),
    click.option(
        "--termination-protection/--no-termination-protection", default=None, help="Refuse to delete the data stack."
    ),
    click.option("--execute-command/--no-execute-command", default=None, help="Allow shells in containers (ECS Exec)."),
    *(
        click.option(f"--{pool.name}-{kind}", type=click.IntRange(min=128), default=None, help=text)
        for pool in POOLS
        for kind, text in (
            ("cpu", f"CPU units of one worker of pool {pool.name} (1,024 a vCPU)."),
            ("memory", f"MiB of memory of one worker of pool {pool.name}."),
        )
    ),
)
"""An option that is not given leaves its setting unchanged; the first ``up`` uses the compute template's default."""


def sizing_options(command: Command) -> Command:
    """Add all options to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def sizing_of(options: dict[str, Any]) -> Sizing:
    """Return the sizing from click's values. Raises ``InvalidInput`` for invalid ones."""
    pools = {kind: {pool.name: options.pop(f"{pool.name}_{kind}") for pool in POOLS} for kind in ("cpu", "memory")}
    sizing = Sizing(
        vpc=options["vpc"],
        subnets=_split(options["subnets"]),
        architecture=options["architecture"] or "",
        instance_types=_split(options["instance_types"]),
        max_instances=options["max_instances"],
        on_demand_base=options["on_demand_base"],
        spot=options["spot"],
        volume=options["volume"],
        log_days=options["log_days"],
        cpu={name: value for name, value in pools["cpu"].items() if value is not None},
        memory={name: value for name, value in pools["memory"].items() if value is not None},
        alarm_topic=options["alarm_topic"],
        execute_command=options["execute_command"],
        permissions_boundary=options["permissions_boundary"],
        tags=parse_tags(options["tags"]),
        warm_throughput=options["warm_throughput"],
        point_in_time_recovery=options["point_in_time_recovery"],
        versioning=options["versioning"],
        termination_protection=options["termination_protection"],
    )
    sizing.check()
    return sizing


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
