"""Plans a worker's container, and finds a pool's workers."""

import os
from dataclasses import replace
from typing import Final

from cloudkon.model import Pool
from cloudkon.settings import PREFIX, Settings

from .container import Container, ContainerPlan
from .engine import Engine
from .labels import COMPOSE_SERVICE, FLEET, NUMBER, POOL
from .networking import WorkerNetwork, loopback_port, publishers

POLL_SECONDS: Final = 2.0
"""How long a worker's receive waits by default: a stopping worker first waits for its last receive to end."""
STOP_MARGIN_SECONDS: Final = 5.0
"""Added to ``stop_seconds``, so that a worker can record the chunks that it releases."""


def image_variable(pool: Pool) -> str:
    """Return the environment variable that names another image for a pool, such as one with your own handlers."""
    return f"{PREFIX}{pool.name.upper()}_IMAGE"


def built_image(pool: Pool) -> str:
    """Return the image that ``build`` makes for a pool."""
    return f"cloudkon/{pool.name}:latest"


def image_of(pool: Pool) -> str:
    """Return the image that a pool's new workers run."""
    return os.environ.get(image_variable(pool), "") or built_image(pool)


def grace_seconds(settings: Settings) -> int:
    """Return the seconds from a worker's SIGTERM to its SIGKILL."""
    return round(settings.stop_seconds + STOP_MARGIN_SECONDS)


def worker_plan(settings: Settings, pool: Pool, number: int, worker_network: WorkerNetwork) -> ContainerPlan:
    """Return the plan of a worker's container. It gets these settings, and no other variables of this machine.

    Its name has dots where Compose has hyphens, so that the two never use the same name.
    """
    inside = replace(
        settings, endpoint_url=worker_network.endpoint_url, profile="", state_dir=Settings().state_dir, record=""
    )
    if settings.poll_seconds == Settings().poll_seconds and f"{PREFIX}POLL_SECONDS" not in os.environ:
        inside = replace(inside, poll_seconds=POLL_SECONDS)
    return ContainerPlan(
        name=f"{settings.fleet}.{pool.name}.{number}",
        image=image_of(pool),
        network=worker_network.network,
        environment=inside.to_environment(),
        labels={FLEET: settings.fleet, POOL: pool.name, NUMBER: str(number)},
        stop_seconds=grace_seconds(settings),
    )


async def own_workers(engine: Engine, fleet: str, pool: Pool | None = None) -> list[Container]:
    """Return the workers that this target created, of one pool or of all, oldest first, also stopped ones."""
    filters = [("label", f"{FLEET}={fleet}"), ("label", f"{POOL}={pool.name}" if pool else POOL)]
    return await engine.containers(*filters)


async def composed_workers(engine: Engine, settings: Settings, pool: Pool) -> list[Container]:
    """Return a pool's running workers that belong to a compose file: they are shown and never changed.

    They share a network with the endpoint's container, because another compose file's fleet may have the same name.
    """
    port = loopback_port(settings.service_endpoint())
    networks = {network for one in await publishers(engine, port) for network in one.networks} if port else set()
    found = await engine.containers(("label", f"{COMPOSE_SERVICE}={pool.name}"), ("status", "running"))
    return [one for one in found if one.is_composed(settings.fleet, pool) and networks & one.networks.keys()]
