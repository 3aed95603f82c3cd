"""Build: makes the pools' images out of the checkout's Dockerfiles."""

from pathlib import Path
from typing import Final

from cloudkon import __version__
from cloudkon.errors import InvalidInput
from cloudkon.words import Pool
from fleet.docker.engine import Engine
from fleet.docker.worker import built_image
from fleet.target import Report

CHECKOUT: Final = Path(__file__).parents[2]
"""Where the Dockerfiles lie, if this is run from a checkout."""


async def build_images(engine: Engine, pools: tuple[Pool, ...], report: Report, directory: Path = CHECKOUT) -> None:
    """Build each pool's image, one after the other, since they share their first layers.

    Raises ``InvalidInput`` where there are no Dockerfiles, ``ServiceError`` with the failing step's last words.
    """
    for pool in pools:
        dockerfile = f"Dockerfile.{pool.name}"
        if not (directory / dockerfile).is_file():
            raise InvalidInput(
                f"{dockerfile}", f"it is not in {directory}", "Run this from a checkout of CloudKon, not from a package"
            )
    for pool in pools:
        image = built_image(pool)
        report(f"building {image}")
        await engine.build(directory, f"Dockerfile.{pool.name}", image, __version__, report)
