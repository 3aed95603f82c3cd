"""Implements the commands for targets with their own instances: publish, deploy and autoscale."""

from collections.abc import Callable
from typing import Final

import click

from cloudkon.errors import InvalidInput
from cloudkon.model import POOLS, WORKER, Pool, pool_named

from ..target import CloudTarget, Target
from ..target_options import AutoscaleRange
from .output import json_option, print_result
from .runner import report, run

PER_WORKER: Final = 100
"""Messages for each further worker, by default."""
pool_option = click.option("--pool", default=None, help="Only this pool.")


def require_cloud(target: Target, feature: str) -> CloudTarget:
    """Return the target if it has such features. Raises ``InvalidInput`` that names ``feature``."""
    if isinstance(target, CloudTarget):
        return target
    raise InvalidInput(feature, "only target aws supports this", "Set CLOUDKON_TARGET=aws, or leave it out")


@click.command()
@pool_option
@json_option
@click.pass_obj
def publish(make_target: Callable[[], Target], pool: str | None, *, as_json: bool) -> None:
    """Push the built images to the fleet's registry, unless they are there (target aws)."""
    target = require_cloud(make_target(), "publish")
    _print_images(run(lambda: target.publish(_pools(pool), report)), as_json=as_json)


@click.command()
@pool_option
@click.option("--tag", default="", help="Deploy this published image.  [default: the last one pushed]")
@json_option
@click.pass_obj
def deploy(make_target: Callable[[], Target], pool: str | None, tag: str, *, as_json: bool) -> None:
    """Deploy published images and changed settings to the services (target aws).

    New workers start beside the old ones. If they don't stay up, ECS rolls back, and the command reports it.
    """
    target = require_cloud(make_target(), "deploy")
    if tag and not pool:
        raise InvalidInput(f"--tag {tag}", "a tag belongs to one pool", "Name the pool with --pool")
    _print_images(run(lambda: target.deploy(_pools(pool), tag, report)), as_json=as_json)


@click.command()
@click.option("--pool", default=WORKER.name, show_default=True, help=f"{' or '.join(pool.name for pool in POOLS)}")
@click.option("--min", "least", type=int, default=None, help="Fewest workers, also without work.  [default: 0]")
@click.option("--max", "most", type=int, default=None, help="Most workers; 0 ends autoscaling.")
@click.option("--per-worker", type=int, default=None, help="Waiting messages for each further worker.  [default: 100]")
@json_option
@click.pass_obj
def autoscale(
    make_target: Callable[[], Target],
    pool: str,
    least: int | None,
    most: int | None,
    per_worker: int | None,
    *,
    as_json: bool,
) -> None:
    """Scale a pool by its backlog, from zero and back (target aws).

    Without --max, autoscaling resumes within the range that the pool had before fleet scale set its count.
    """
    target = require_cloud(make_target(), "autoscale")
    chosen = pool_named(pool)
    wanted = _range(least, most, per_worker)
    run(lambda: target.autoscale(chosen, wanted, report))
    if wanted is None:
        text = f"pool {chosen.name}: scales by its backlog again"
        print_result({"pool": chosen.name, "resumed": True}, text, as_json=as_json)
        return
    text = "keeps its count"
    if wanted.most:
        text = f"{wanted.least} to {wanted.most} workers, one more for each {wanted.per_worker} waiting messages"
    result = {"pool": chosen.name, "min": wanted.least, "max": wanted.most, "per_worker": wanted.per_worker}
    print_result(result, f"pool {chosen.name}: {text}", as_json=as_json)


def _range(least: int | None, most: int | None, per_worker: int | None) -> AutoscaleRange | None:
    """Return the given range; ``None`` for the one that exists. Raises ``InvalidInput`` for an incomplete range."""
    if most is None:
        if least is not None or per_worker is not None:
            raise InvalidInput("autoscale", "--min and --per-worker need --max", "Give --max as well")
        return None
    limits = AutoscaleRange(least or 0, most, PER_WORKER if per_worker is None else per_worker)
    limits.check()
    return limits


def _pools(pool: str | None) -> tuple[Pool, ...]:
    return (pool_named(pool),) if pool else POOLS


def _print_images(images: dict[str, str], *, as_json: bool) -> None:
    print_result(images, *(f"{pool} {image}" for pool, image in images.items()), as_json=as_json)
