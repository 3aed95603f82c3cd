"""Options of ``up`` that say where and on what machines the fleet runs (target aws)."""

from collections.abc import Callable
from typing import Any, Final

import click

from cloudkon.model import POOLS

from ..target_options import Sizing

Command = Callable[..., Any]

OPTIONS: Final = (
    click.option("--vpc", default="", help="The VPC to run in.  [default: the account's default VPC]"),
    click.option("--subnets", default="", help="Its subnets, comma-separated.  [default: those with a way out]"),
    click.option("--arm", "architecture", flag_value="arm64", help="On Graviton instances."),
    click.option("--x86", "architecture", flag_value="x86_64", help="On x86-64 instances, the default."),
    click.option(
        "--instance-types", default="", help="Up to four, comma-separated.  [default: c7i.large or c7g.large]"
    ),
    click.option("--max-instances", type=int, default=None, help="The budget guard: never more.  [default: 4]"),
    click.option("--on-demand-base", type=click.IntRange(min=0), default=None, help="The first so many aren't Spot."),
    click.option("--spot", type=int, default=None, help="Percentage of Spot above the base.  [default: 0]"),
    click.option("--volume", type=click.IntRange(min=30), default=None, help="GiB of disk an instance.  [default: 30]"),
    click.option("--log-days", type=int, default=None, help="Days that logs are kept.  [default: 30]"),
    click.option("--alarm-topic", default=None, help="ARN of an SNS topic that is told of dead letters."),
    click.option("--execute-command/--no-execute-command", default=None, help="Allow shells in containers (ECS Exec)."),
    *(
        click.option(f"--{pool.name}-{what}", type=click.IntRange(min=128), default=None, help=text)
        for pool in POOLS
        for what, text in (
            ("cpu", f"CPU units (1,024 a vCPU) of one of pool {pool.name}."),
            ("memory", f"MiB of one of pool {pool.name}."),
        )
    ),
)
"""What is not given stays as it is, or is the compute template's default at the first ``up``."""


def sizing_options(command: Command) -> Command:
    """Give a command all of them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def sizing_of(options: dict[str, Any]) -> Sizing:
    """What was said, from click's values. Raises ``InvalidInput`` for what can't be."""
    pools = {what: {pool.name: options.pop(f"{pool.name}_{what}") for pool in POOLS} for what in ("cpu", "memory")}
    sizing = Sizing(
        vpc=options["vpc"],
        subnets=_listed(options["subnets"]),
        architecture=options["architecture"] or "",
        instance_types=_listed(options["instance_types"]),
        max_instances=options["max_instances"],
        on_demand_base=options["on_demand_base"],
        spot=options["spot"],
        volume=options["volume"],
        log_days=options["log_days"],
        cpu={name: value for name, value in pools["cpu"].items() if value is not None},
        memory={name: value for name, value in pools["memory"].items() if value is not None},
        alarm_topic=options["alarm_topic"],
        execute_command=options["execute_command"],
    )
    sizing.check()
    return sizing


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
