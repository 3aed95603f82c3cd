"""Provides a Docker engine that only shows its images and pushes them to the double's registry."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from fleet.docker.engine import Engine
from tests.fleet.double.account import Account


class PushingEngine(Engine):
    """``images`` are layers by name; all have the same ``architecture``."""

    def __init__(self, account: Account, architecture: str = "amd64", **images: str) -> None:
        self._account = account
        self.architecture = architecture
        self.images = {f"cloudkon/{pool}:latest": layers for pool, layers in images.items()}
        self.pushed: list[str] = []
        self.built_for: dict[str, str] = {}
        """The platform that each image was built for."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Engine]:
        """Work as ``open_engine`` does."""
        yield self

    async def inspect_image(self, name: str) -> Mapping[str, Any] | None:
        await trio.lowlevel.checkpoint()
        if name not in self.images:
            return None
        layers = {"Layers": [self.images[name]]}
        return {"Id": "sha256:1", "Architecture": self.architecture, "RootFS": layers, "Config": {"Cmd": ["run"]}}

    async def push(self, image: str, repository: str, tag: str, login: tuple[str, str]) -> None:
        await trio.lowlevel.checkpoint()
        assert image in self.images
        assert login == ("AWS", "password")
        self._account.ecr.push(f"{repository}:{tag}")
        self.pushed.append(f"{repository}:{tag}")

    async def build(
        self,
        directory: Path,
        dockerfile: str,
        image: str,
        arguments: Mapping[str, str],
        report: Callable[[str], None],
        platform: str = "",
    ) -> None:
        await trio.lowlevel.checkpoint()
        report(f"{directory.name}: {dockerfile} with {sorted(arguments)}")
        self.built_for[image] = platform
