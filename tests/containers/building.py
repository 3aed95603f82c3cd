"""Building: the images that the tests need, built from this checkout's files, and what earlier builds left behind.

``python -m tests.containers.building`` builds them all beforehand.
"""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.containers.docker_cli import ROOT, docker, ran

SECONDS = 540
"""A cold build on a slow machine, its downloads included."""
LEFTOVERS_AGE = "30m"
"""Older ones are no other process's build that is under way."""


class Build(NamedTuple):
    """An image's tag, its Dockerfile and its context; ``stages`` are kept under tags of their own, as a cache.

    ``alias`` is another tag of it.
    """

    tag: str
    file: str
    context: str = "."
    stages: tuple[str, ...] = ()
    alias: str = ""


# By its alias the suites' image is made of it: some tests give its tag to builds with other labels, after which all
# that hangs on it would be made anew.
WORKER = Build("cloudkon/worker:latest", "Dockerfile.worker", stages=("build",), alias="cloudkon/worker:tested")
ANIMOTO = Build("cloudkon/animoto:latest", "Dockerfile.animoto", stages=("build",))
SUITES = Build("cloudkon/suites:latest", "tests/containers/suites.Dockerfile", "locks")


def built(build: Build) -> str:
    """Build an image; what has been built before costs a second. Gives its tag."""
    with _one_at_a_time():
        # Without BuildKit a stage's layers hang on nothing but its last image: a tag keeps them for the next build.
        for stage in build.stages:
            _build(build, f"{build.tag.rpartition(':')[0]}:{stage}", "--target", stage)
        _build(build, build.tag, *([f"--tag={build.alias}"] if build.alias else []))
    return build.tag


def remove_leftovers() -> None:
    """Remove the untagged images that earlier builds left behind."""
    mine = ("--filter=label=cloudkon.image", f"--filter=until={LEFTOVERS_AGE}")
    # The engine refuses a second prune while one goes on, and all test processes end at about the same time.
    with _one_at_a_time():
        docker("image", "prune", "--force", *mine, seconds=600)


def builder() -> dict[str, str]:
    """The environment to build in: Debian 12 has no BuildKit, and the Dockerfiles don't need it."""
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
    """Let no two test processes build the same layers side by side."""
    lock = ROOT / ".cloudkon" / "images.lock"
    lock.parent.mkdir(exist_ok=True)
    with Path.open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for each in (WORKER, ANIMOTO, SUITES):
        built(each)
