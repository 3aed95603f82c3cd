"""The command line's words that only a target with machines of its own understands."""

from collections.abc import Callable
from typing import Final

import click

from cloudkon.errors import InvalidInput
from cloudkon.model import POOLS, WORKER, Pool, pool_named

from ..target import CloudTarget, Target
from ..target_options import AutoscaleRange
from .output import answer, json_option
from .runner import report, run

PER_WORKER: Final = 100
"""Messages for each further worker, where nobody says."""
pool_option = click.option("--pool", default=None, help="Only this pool.")


def cloud(target: Target, what: str) -> CloudTarget:
    """The target, if it understands such words; else ``InvalidInput`` about ``what`` was asked for."""
    if isinstance(target, CloudTarget):
        return target
    raise InvalidInput(what, "this target has nothing of the kind", "Set CLOUDKON_TARGET=aws, or leave it out")


@click.command()
@pool_option
@json_option
@click.pass_obj
def publish(make_target: Callable[[], Target], pool: str | None, *, as_json: bool) -> None:
    """Push the images that build made into the fleet's registry, unless they are there (target aws)."""
    target = cloud(make_target(), "publish")
    _show(run(lambda: target.publish(_chosen(pool), report)), as_json=as_json)


@click.command()
@pool_option
@click.option("--tag", default="", help="This published image.  [default: the one pushed last]")
@json_option
@click.pass_obj
def deploy(make_target: Callable[[], Target], pool: str | None, tag: str, *, as_json: bool) -> None:
    """Roll published images and changed settings out to the services (target aws).

    New workers come up beside the old ones. If they don't stay up, ECS rolls back by itself, and this says so.
    """
    target = cloud(make_target(), "deploy")
    if tag and not pool:
        raise InvalidInput(f"--tag {tag}", "a tag is one pool's", "Say which with --pool")
    _show(run(lambda: target.deploy(_chosen(pool), tag, report)), as_json=as_json)


@click.command()
@click.option("--pool", default=WORKER.name, show_default=True, help=f"{' or '.join(pool.name for pool in POOLS)}")
@click.option("--min", "least", type=int, default=None, help="Workers that are kept without work.  [default: 0]")
@click.option("--max", "most", type=int, default=None, help="Workers at the most; 0 ends autoscaling.")
@click.option("--per-worker", type=int, default=None, help="Messages that may wait for each worker.  [default: 100]")
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
    """Have a pool follow its backlog, from zero and back (target aws).

    Without --max it goes on within the range it had before fleet scale set its count by hand.
    """
    target = cloud(make_target(), "autoscale")
    chosen = pool_named(pool)
    wanted = _range(least, most, per_worker)
    run(lambda: target.autoscale(chosen, wanted, report))
    if wanted is None:
        answer(
            {"pool": chosen.name, "resumed": True}, f"pool {chosen.name}: follows its backlog again", as_json=as_json
        )
        return
    text = "keeps its count"
    if wanted.most:
        text = f"{wanted.least} to {wanted.most} workers, one more for each {wanted.per_worker} messages that wait"
    found = {"pool": chosen.name, "min": wanted.least, "max": wanted.most, "per_worker": wanted.per_worker}
    answer(found, f"pool {chosen.name}: {text}", as_json=as_json)


def _range(least: int | None, most: int | None, per_worker: int | None) -> AutoscaleRange | None:
    """What was said of a range; ``None`` for the one that there is. Raises ``InvalidInput`` for half of one."""
    if most is None:
        if least is not None or per_worker is not None:
            raise InvalidInput("autoscale", "--min and --per-worker are of a range", "Give --max as well")
        return None
    found = AutoscaleRange(least or 0, most, PER_WORKER if per_worker is None else per_worker)
    found.check()
    return found


def _chosen(pool: str | None) -> tuple[Pool, ...]:
    return (pool_named(pool),) if pool else POOLS


def _show(images: dict[str, str], *, as_json: bool) -> None:
    answer(images, "\n".join(f"{pool} {image}" for pool, image in images.items()), as_json=as_json)
