"""Computes a local image's tag from its content, and finds images in the fleet's ECR repositories."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import Pool
from cloudkon.programs import command

from .account_stacks import AccountStacks
from .names import repository

TAG_LENGTH: Final = 16
"""Hexadecimal digits: 64 bits distinguish the few images of a repository."""
CONTENT: Final = ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "Healthcheck", "StopSignal")
"""Parts of an image's configuration that change its behaviour. Labels and build times don't."""


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image in a repository, by one of its tags; ``pushed`` in epoch seconds."""

    tag: str
    digest: str
    pushed: float


def content_tag(inspected: Mapping[str, Any]) -> str:
    """Return a tag made of an image's content, from the engine's description: equal content, equal tag."""
    config = inspected.get("Config") or {}
    content = {
        "layers": inspected["RootFS"]["Layers"],
        "architecture": inspected["Architecture"],
        **{name: config.get(name) for name in CONTENT},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:TAG_LENGTH]


def repository_uri(stacks: AccountStacks, pool: Pool) -> str:
    """Return the repository that a pool's images are pushed to and pulled from."""
    return f"{stacks.account.registry()}/{repository(stacks.fleet, pool)}"


async def is_published(stacks: AccountStacks, pool: Pool, image: str) -> bool:
    """Whether an image can be pulled. An image of another registry can't be checked and counts as published."""
    home, _, tag = image.rpartition(":")
    if home != repository_uri(stacks, pool):
        return True
    return bool(await find_published_image(stacks, pool, tag))


async def find_published_image(stacks: AccountStacks, pool: Pool, tag: str) -> PublishedImage | None:
    """Return the image with that tag, or ``None``. Raises ``InvalidInput`` if the repository does not exist."""
    found = await _images(stacks, pool, imageIds=[{"imageTag": tag}])
    return found[0] if found else None


async def newest_image(stacks: AccountStacks, pool: Pool) -> PublishedImage | None:
    """Return the most recently pushed image, or ``None``."""
    found = await _images(stacks, pool, filter={"tagStatus": "TAGGED"})
    return max(found, key=lambda image: image.pushed, default=None)


async def _images(stacks: AccountStacks, pool: Pool, **which: object) -> list[PublishedImage]:
    name = repository(stacks.fleet, pool)
    try:
        rows = await stacks.control.pages("ecr", "describe_images", "imageDetails", repositoryName=name, **which)
    except ServiceError as error:
        if error.code == "ImageNotFoundException":
            return []
        if error.code == "RepositoryNotFoundException":
            remedy = f"Create it with: {command('fleet up')}"
            raise InvalidInput(f"repository {name}", "it is not in this account's registry", remedy) from error
        raise
    return [
        PublishedImage(tag, row["imageDigest"], row["imagePushedAt"].timestamp())
        for row in rows
        for tag in row.get("imageTags", ())
    ]
