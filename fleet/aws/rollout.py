"""Pushes images into the fleet's registry and rolls them out to its services."""

import base64
from collections.abc import Mapping

from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import Pool
from cloudkon.programs import command

from ..docker.docker_errors import NoImage
from ..docker.engine import Engine
from ..docker.image_platform import PLATFORM_OF
from ..docker.worker_container import image_of, image_variable
from ..target import Report
from .resources.account_stacks import AccountStacks
from .resources.compute_parameters import DEFAULT_ARCHITECTURE, check_worker_settings, worker_parameters
from .resources.compute_stack import change, finish_creation, plan_compute
from .resources.ecr import content_tag, find_published_image, newest_image, repository_uri
from .resources.names import UNPUBLISHED, parameter
from .rollout_watch import RolloutWatch


async def publish(stacks: AccountStacks, engine: Engine, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
    """Push each pool's local image under its content tag, unless it is published already. Return images by pool name.

    Raises ``InvalidInput``, before any push, for a missing image or another architecture.
    """
    facts = await stacks.compute_facts()
    wanted = facts.parameters.get("Architecture", DEFAULT_ARCHITECTURE)
    platform = PLATFORM_OF[wanted]
    found: dict[str, str] = {}
    for pool in pools:
        inspected = await engine.inspect_image(image_of(pool))
        if inspected is None:
            raise NoImage(
                f"image {image_of(pool)}",
                "not on this Docker engine",
                f"Build it with: {command('fleet build')} (or name another image in {image_variable(pool)})",
            )
        if f"linux/{inspected['Architecture']}" != platform:
            raise InvalidInput(
                f"image {image_of(pool)}",
                f"its architecture is {inspected['Architecture']}, the fleet's instances are {wanted}",
                f"Build it again with: {command('fleet build')} (or an image of your own with docker build --platform "
                f"{platform}); or run up with the other of --x86 and --arm",
            )
        found[pool.name] = content_tag(inspected)
    for pool in pools:
        found[pool.name] = await _push(stacks, engine, pool, found[pool.name], report)
    return found


async def deploy(stacks: AccountStacks, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
    """Roll out the image with that tag, or the newest one, and the settings chosen here.

    Returns the images by pool name. Raises ``ServiceError`` if the new ECS tasks fail; the deployment is then rolled
    back, or if it can't succeed, and then cancels it. A pool without a published image keeps what it has.
    """
    check_worker_settings(stacks.settings)
    facts = await stacks.compute_facts()
    await finish_creation(stacks, report, RolloutWatch(stacks, report, own=False))
    images: dict[str, str] = {}
    for pool in pools:
        image = await (find_published_image(stacks, pool, tag) if tag else newest_image(stacks, pool))
        if image:
            images[pool.name] = f"{repository_uri(stacks, pool)}:{image.tag}"
        elif tag:
            remedy = f"Publish it with: {command('fleet publish')}"
            raise InvalidInput(f"image {repository_uri(stacks, pool)}:{tag}", "not published", remedy)
        else:
            report(f"pool {pool.name}: no published image, so it is unchanged")
    given = {parameter(pool, "Image"): images[pool.name] for pool in pools if pool.name in images}
    compute = stacks.compute()
    plan = await plan_compute(stacks, compute, {**given, **worker_parameters(stacks.settings)})
    if plan.empty:
        report("nothing to deploy: images and settings are up to date")
    try:
        await change(compute, plan, report, RolloutWatch(stacks, report))
    except ServiceError as error:
        raise ServiceError(f"{error}. The services run {_images(facts.parameters, pools)}, as before") from error
    return images


def _images(parameters: Mapping[str, str], pools: tuple[Pool, ...]) -> str:
    return ", ".join(parameters.get(parameter(pool, "Image"), UNPUBLISHED) for pool in pools)


async def _push(stacks: AccountStacks, engine: Engine, pool: Pool, tag: str, report: Report) -> str:
    uri = repository_uri(stacks, pool)
    if await find_published_image(stacks, pool, tag):
        newest = await newest_image(stacks, pool)
        choice = f" --tag {tag}" if newest and newest.tag != tag else ""
        deploying = command(f"fleet deploy --pool {pool.name}{choice}")
        report(f"{uri}:{tag} is already published; deploy it with: {deploying}")
    else:
        answer = await stacks.control.call("ecr", "get_authorization_token")
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        user, _, password = token.partition(":")
        report(f"pushing {uri}:{tag}")
        await engine.push(image_of(pool), uri, tag, (user, password))
    return f"{uri}:{tag}"
