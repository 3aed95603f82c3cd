"""Renders the scenes into a folder, once, on all processors."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from demo.colour import ENLARGE, coloured
from demo.fractal import fields
from demo.scene import SCENES, Scene

SOURCES: Final = tuple(Path(__file__).with_name(f"{name}.py") for name in ("scene", "fractal", "colour", "pictures"))
"""The files that determine how the pictures look."""
QUALITY: Final = 92
"""The JPEG quality, 1 to 100."""


def folder_in(directory: Path) -> Path:
    """Return the folder for the pictures of this version of the demo; another version has other pictures."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()
    return directory / f"demo-pictures-{digest[:12]}"


def make_pictures(folder: Path, begin: Callable[[int], None], advance: Callable[[], None]) -> int:
    """Render the missing pictures; return how many there were.

    ``begin`` is called with this number first, ``advance`` after each picture. An interrupted call can be repeated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(scene, path) for scene, path in _paths(folder) if not path.exists()]
    begin(len(missing))
    # Each process renders on one core. Without this, libvips starts a thread per core in each process.
    os.environ["VIPS_CONCURRENCY"] = "1"
    pool = ProcessPoolExecutor(min(os.cpu_count() or 1, len(missing) or 1), mp_context=get_context("spawn"))
    try:
        for rendered in as_completed([pool.submit(render, scene, path) for scene, path in missing]):
            rendered.result()
            advance()
    finally:
        pool.shutdown(cancel_futures=True)
    return len(missing)


def render(scene: Scene, path: Path) -> None:
    """Render a scene into a JPEG file, which appears only when it is complete."""
    points = (-(-scene.size[0] // ENLARGE), -(-scene.size[1] // ENLARGE))
    picture = coloured(fields(scene, points), scene.palette, scene.cycles, scene.size)
    staged = path.with_suffix(f".{os.getpid()}")
    try:
        picture.jpegsave(str(staged), Q=QUALITY, keep="none")
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _paths(folder: Path) -> list[tuple[Scene, Path]]:
    return [(scene, folder / f"{number:02}-{scene.name}.jpg") for number, scene in enumerate(SCENES, 1)]
