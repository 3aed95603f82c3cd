"""Names the platforms that images can be built for, and explains why an engine can't build for one."""

from collections.abc import Mapping
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.programs import command

PLATFORM_OF: Final[Mapping[str, str]] = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
"""Docker's names of the architectures of instances."""
_SPELLINGS: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64"}
NOT_RUNNABLE: Final = "exec format error"
"""Linux's error (``ENOEXEC``) for a program of another architecture. It ends the first RUN of a build."""


def parse_platform(text: str) -> str:
    """Return a platform in Docker's spelling; ``arm64`` means ``linux/arm64``. Raises ``InvalidInput``."""
    given = text.lower().removeprefix("linux/")
    platform = f"linux/{_SPELLINGS.get(given, given)}"
    if platform not in PLATFORM_OF.values():
        known = " or ".join(PLATFORM_OF.values())
        raise InvalidInput(f"--platform {text:.60}", "workers run on no such platform", f"Give {known}")
    return platform


def no_emulation(platform: str, image: str) -> InvalidInput:
    """Return the error for an engine that can't run the programs of a platform, which a build needs."""
    architecture = platform.removeprefix("linux/")
    other = next(option for option, name in (("--arm", "arm64"), ("--x86", "amd64")) if name != architecture)
    return InvalidInput(
        f"image {image}",
        f"this Docker engine can't run programs of {platform}, for which it is built",
        f"Install an emulator: docker run --privileged --rm tonistiigi/binfmt --install {architecture}; or build on a "
        f"machine of that architecture; or change the fleet's with: {command(f'fleet up {other}')}",
    )
