"""Measures the images: the time to build them, cold and warm, and the size of their layers."""

import time
from pathlib import Path
from typing import Any, Final

import docker

from benchmarks.harness.table import Table

ROOT: Final = Path(__file__).parents[2]
POOLS: Final = ("worker", "animoto")
MEGABYTE: Final = 1_000_000
LIGHT: Final = 100_000
"""Layers with fewer bytes get no row."""


def build_times() -> Table:
    """Measure the seconds to build each image with the engine's own builder, under temporary tags."""
    table = Table(
        "Time to build the images",
        ("image", "cold s", "warm s", "MB"),
        "By the engine's own builder (no BuildKit). A cold build makes every layer, downloads included, on a base "
        "image that is already there; a warm build repeats it from the cache. One run each.",
    )
    client: Any = docker.APIClient()
    try:
        for pool in POOLS:
            tag = f"cloudkon/bench-{pool}"
            cold, warm = (_build(client, pool, tag, cached=cached) for cached in (False, True))
            size = client.inspect_image(tag)["Size"] / MEGABYTE
            table.rows.append((pool, f"{cold:.0f}", f"{warm:.1f}", f"{size:.0f}"))
            client.remove_image(tag)
    finally:
        client.close()
    return table


def layers() -> Table:
    """List the layers of the local images."""
    table = Table(
        "Largest layers of the images", ("image", "made by", "MB"), "Layers over 0.1 MB, by the engine's history."
    )
    client: Any = docker.APIClient()
    try:
        for pool in POOLS:
            for layer in client.history(f"cloudkon/{pool}:latest"):
                if layer["Size"] >= LIGHT:
                    table.rows.append((pool, _step(layer["CreatedBy"]), f"{layer['Size'] / MEGABYTE:.1f}"))
    finally:
        client.close()
    return table


def _build(client: Any, pool: str, tag: str, *, cached: bool) -> float:  # noqa: ANN401  (the SDK has no types)
    begun = time.monotonic()
    for event in client.build(
        path=str(ROOT), dockerfile=f"Dockerfile.{pool}", tag=tag, nocache=not cached, rm=True, decode=True
    ):
        if "error" in event:
            raise RuntimeError(f"building {tag}: {event['error']}")
    return time.monotonic() - begun


def _step(made_by: str) -> str:
    """A layer's instruction, shortened; layers of the base image have none."""
    words = made_by.removeprefix("/bin/sh -c ").removeprefix("#(nop) ").split() or ["(base image)"]
    return " ".join(words[:6]).replace("|", "")[:60]
