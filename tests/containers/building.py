"""Builds the images that the tests need from this checkout's files, and removes what earlier builds left behind.

``python -m tests.containers.building`` builds them all in advance.
"""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.containers.docker_cli import ROOT, docker, ran

SECONDS = 540
"""The timeout of a build: a cold one on a slow machine, including downloads."""
LEFTOVERS_AGE = "30m"
"""Untagged images that are older belong to no build in progress in another process."""


class Build(NamedTuple):
    """An image's tag, its Dockerfile and its context; ``stages`` get tags of their own, as a cache.

    ``alias`` is another tag of the image.
    """

    tag: str
    file: str
    context: str = "."
    stages: tuple[str, ...] = ()
    alias: str = ""


# The suites' image is built from the alias: some tests give the tag to builds with other labels, and every image on top
# of it would then be built again.
WORKER = Build("cloudkon/worker:latest", "Dockerfile.worker", stages=("build",), alias="cloudkon/worker:tested")
ANIMOTO = Build("cloudkon/animoto:latest", "Dockerfile.animoto", stages=("build",))
SUITES = Build("cloudkon/suites:latest", "tests/containers/suites.Dockerfile", "locks")


def built(build: Build) -> str:
    """Build an image and return its tag; a repeated build takes a second."""
    with _one_at_a_time():
        # Without BuildKit only a stage's last image refers to its layers: a tag keeps them for the next build.
        for stage in build.stages:
            _build(build, f"{build.tag.rpartition(':')[0]}:{stage}", "--target", stage)
        _build(build, build.tag, *([f"--tag={build.alias}"] if build.alias else []))
    return build.tag


def remove_leftovers() -> None:
    """Remove the untagged images that earlier builds left behind."""
    mine = ("--filter=label=cloudkon.image", f"--filter=until={LEFTOVERS_AGE}")
    # The engine refuses a prune while another one runs, and all test processes end at about the same time.
    with _one_at_a_time():
        docker("image", "prune", "--force", *mine, seconds=600)


def builder() -> dict[str, str]:
    """The environment of a build: Debian 12 has no BuildKit, and the Dockerfiles don't need it."""
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    return {"DOCKER_BUILDKIT": "1" if buildx else "0"}


def _build(build: Build, tag: str, *more: str) -> None:
    ran(
        ["docker", "build", "--file", build.file, "--tag", tag, *more, build.context],
        environment=builder(),
        seconds=SECONDS,
    )


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Prevent two test processes from building the same layers at the same time."""
    lock = ROOT / ".cloudkon" / "images.lock"
    lock.parent.mkdir(exist_ok=True)
    with Path.open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for each in (WORKER, ANIMOTO, SUITES):
        built(each)
