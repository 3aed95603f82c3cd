"""docs/localstack.md: its lines work when typed one after the other in a checkout of their own."""

import os
import re
import secrets
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.containers.building import builder
from tests.containers.composed import free_port
from tests.containers.docker_cli import ROOT, docker, ran

pytestmark = pytest.mark.timeout(900)
PAGE = ROOT / "docs" / "localstack.md"
CHECKOUT = ("cloudkon", "images", "fleet", "client", "locks")
FILES = ("Dockerfile.worker", "Dockerfile.animoto", "compose.localstack.yml", ".dockerignore")
PICTURES = 12


def typed() -> list[str]:
    """The commands of the page."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_page_works_when_typed_line_by_line(worker_image: str, animoto_image: str, tmp_path: Path) -> None:
    checkout, port, project = _checkout(tmp_path), free_port(), f"cloudkon-docs-{secrets.token_hex(3)}"
    # Another port and another name than the page's, so as not to disturb a fleet of this machine's user.
    lines = [line.replace(":4566", f":{port}") for line in typed()]
    assert lines
    environment = {
        "LOCALSTACK_PORT": str(port),
        "COMPOSE_PROJECT_NAME": project,
        "HOME": str(tmp_path),
        "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **builder(),
    }
    try:
        ran(["bash", "-euxc", "\n".join(lines)], environment=environment, directory=checkout, seconds=840)
        assert _left(project) == []
    finally:
        ran(
            ["docker", "compose", "--file", "compose.localstack.yml", "down", "--volumes", "--timeout=5"],
            environment=environment,
            directory=checkout,
            seconds=120,
        )
    assert list((checkout / "videos").rglob("*.mp4"))


def _checkout(directory: Path) -> Path:
    """Copy this checkout, and add the pictures that the page uses."""
    checkout = directory / "cloudkon"
    for name in CHECKOUT:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, checkout)
    (checkout / "photos").mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (640, 360), (20 * number, 40, 90)).save(checkout / "photos" / f"{number}.png")
    return checkout


def _left(project: str) -> list[str]:
    """The project's remaining containers and networks."""
    mine = f"--filter=label=com.docker.compose.project={project}"
    containers = docker("container", "ls", "--all", mine, "--format={{.Names}}").split()
    return containers + docker("network", "ls", mine, "--format={{.Name}}").split()
