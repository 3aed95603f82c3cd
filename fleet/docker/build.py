"""Builds the pools' images from the checkout's Dockerfiles."""

import subprocess
from pathlib import Path
from typing import Final

import trio

from cloudkon import __version__
from cloudkon.errors import InvalidInput
from cloudkon.model import Pool

from ..target import Report
from .engine import Engine
from .worker_container import built_image

CHECKOUT: Final = Path(__file__).parents[2]
"""The directory of the Dockerfiles, in a checkout."""
CONTENT: Final = ("cloudkon", "fleet", "images", "locks", "Dockerfile.worker", "Dockerfile.animoto")
"""The files that go into the images, as in .dockerignore. Other changes don't change the images' revision."""
UNKNOWN: Final = "unknown"


async def build_images(
    engine: Engine, pools: tuple[Pool, ...], report: Report, platform: str = "", directory: Path = CHECKOUT
) -> None:
    """Build each pool's image, one after the other, because they share their first layers.

    ``platform`` is as ``linux/arm64``, empty for the engine's own. Raises ``InvalidInput`` without Dockerfiles, or for
    a platform that the engine can't emulate, and ``ServiceError`` with the last output of the failing step.
    """
    for pool in pools:
        dockerfile = f"Dockerfile.{pool.name}"
        if not (directory / dockerfile).is_file():
            raise InvalidInput(
                f"{dockerfile}", f"not found in {directory}", "Run this from a checkout of CloudKon, not from a package"
            )
    labels = {"VERSION": __version__, "REVISION": await revision(directory)}
    for pool in pools:
        image = built_image(pool)
        report(f"building {image}" + (f" for {platform}" if platform else ""))
        await engine.build(directory, f"Dockerfile.{pool.name}", image, labels, report, platform)


async def revision(directory: Path) -> str:
    """Return the last commit that changed the images' content, with ``-edited`` if that has uncommitted changes.

    ``unknown`` without git or a repository.
    """
    commit = await _git(directory, "log", "-1", "--format=%H", "--", *CONTENT)
    edited = await _git(directory, "status", "--porcelain", "--", *CONTENT)
    return f"{commit}{'-edited' if edited else ''}" if commit else UNKNOWN


async def _git(directory: Path, *words: str) -> str:
    """Return the output of ``git WORDS``; empty if it fails."""
    try:
        done = await trio.run_process(
            ["git", *words], cwd=directory, capture_stdout=True, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return ""
    return done.stdout.decode().strip() if done.returncode == 0 else ""
