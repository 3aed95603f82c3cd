"""Image: what makes a tag of a local image's content, and which images the fleet's repositories in ECR hold."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import Pool

from .account_stacks import AccountStacks
from .names import repository

TAG_LENGTH: Final = 16
"""Hexadecimal digits: 64 bits tell the few images of a repository apart."""
CONTENT: Final = ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "Healthcheck", "StopSignal")
"""What of an image's configuration changes what it does. Labels and times of making don't."""


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image in a repository, by one of its tags; ``pushed`` in epoch seconds."""

    tag: str
    digest: str
    pushed: float


def content_tag(inspected: Mapping[str, Any]) -> str:
    """A tag that two images share when they hold the same, from the engine's description of one."""
    config = inspected.get("Config") or {}
    content = {
        "layers": inspected["RootFS"]["Layers"],
        "architecture": inspected["Architecture"],
        **{name: config.get(name) for name in CONTENT},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:TAG_LENGTH]


def repository_uri(stacks: AccountStacks, pool: Pool) -> str:
    """Where a pool's images are pushed to and pulled from."""
    return f"{stacks.account.registry()}/{repository(stacks.fleet, pool)}"


async def is_published(stacks: AccountStacks, pool: Pool, image: str) -> bool:
    """Whether an image can be pulled. One of another registry can't be looked up, and counts as there."""
    home, _, tag = image.rpartition(":")
    if home != repository_uri(stacks, pool):
        return True
    return bool(await find_published_image(stacks, pool, tag))


async def find_published_image(stacks: AccountStacks, pool: Pool, tag: str) -> PublishedImage | None:
    """The image of that tag; ``None`` where there is none. Raises ``InvalidInput`` where there is no repository."""
    found = await _images(stacks, pool, imageIds=[{"imageTag": tag}])
    return found[0] if found else None


async def newest_image(stacks: AccountStacks, pool: Pool) -> PublishedImage | None:
    """The image that was pushed last; ``None`` where there is none."""
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
            remedy = "Make it with: python -m fleet up"
            raise InvalidInput(f"repository {name}", "it is not in this account's registry", remedy) from error
        raise
    return [
        PublishedImage(tag, row["imageDigest"], row["imagePushedAt"].timestamp())
        for row in rows
        for tag in row.get("imageTags", ())
    ]
