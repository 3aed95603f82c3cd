"""``python -m benchmarks.render.gallery``: writes docs/gallery, which shows frames of videos by the renderer."""

import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import trio
from PIL import Image

from benchmarks.render.exhibits import ROOMS, Exhibit
from cloudkon.handler import Context
from cloudkon.instructions.animoto import AnimotoJob, parse_animoto
from cloudkon.log import Log
from cloudkon.memory import MemoryStore
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from demo.pictures import render
from demo.scene import SCENES
from images.animoto.timeline.film import Film
from images.animoto.timeline.plan import frame_count
from images.animoto.verify.frame_grab import grab_frame
from images.animoto.video import make_video

GALLERY: Final = Path(__file__).parents[2] / "docs" / "gallery"
_SCENES: Final = {scene.name: scene for scene in SCENES}
_NAMES: Final = re.compile(r"\b(?:" + "|".join(_SCENES) + r")\b(?=\"|$| )")
_PAINTED: Final = 960
"""Pixels of a painted scene's longer side."""
_QUALITY: Final = 85
_BETWEEN: Final = 4
"""Pixels between frames."""


@click.command()
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), default=GALLERY, show_default=True)
def main(to: Path) -> None:
    """Write every exhibit and the page that shows them."""
    trio.run(make_gallery, to)
    click.echo(f"written to {to}")


async def make_gallery(to: Path) -> None:
    """Write ``README.md`` and one JPEG for each exhibit."""
    await trio.Path(to).mkdir(parents=True, exist_ok=True)
    text = "# Gallery\n\nMade by `python -m benchmarks.render.gallery`, through the whole of the renderer.\n"
    with tempfile.TemporaryDirectory(prefix="cloudkon-gallery-") as scratch:
        studio = _Studio(Path(scratch))
        for room in ROOMS:
            text += f"\n## {room.head}\n\n{room.says}\n"
            for exhibit in room.exhibits:
                sheet = await studio.sheet(exhibit)
                sheet.save(to / f"{exhibit.name}.jpg", quality=_QUALITY)
                text += f"\n{_quoted(exhibit)}\n\n![{exhibit.name}]({exhibit.name}.jpg)\n"
    await (trio.Path(to) / "README.md").write_text(text, encoding="utf-8")


def _quoted(exhibit: Exhibit) -> str:
    """The instructions in a fenced block, with links in place of scene names."""
    written = [_NAMES.sub(r"s3://pictures/\g<0>.jpg", one) for one in exhibit.instructions]
    return "```\n" + "\n".join(f"animoto {one}" for one in written) + "\n```"


class _Studio:
    """Renders the demo's scenes and makes videos of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._store = MemoryStore()
        self._links: dict[str, str] = {}
        self._videos = 0

    async def sheet(self, exhibit: Exhibit) -> Image.Image:
        """The frames of an exhibit, in rows from left to right."""
        frames = []
        for instruction in exhibit.instructions:
            for name in _NAMES.findall(instruction):
                await self._paint(name)
            job = parse_animoto(_NAMES.sub(lambda found: self._links[found[0]], instruction).replace("\n", " "))
            frames += await self._frames(job, exhibit)
        rows = [frames[start : start + exhibit.columns] for start in range(0, len(frames), exhibit.columns)]
        width = max(sum(frame.width + _BETWEEN for frame in row) for row in rows) - _BETWEEN
        sheet = Image.new("RGB", (width, len(rows) * (exhibit.height + _BETWEEN) - _BETWEEN), "white")
        for number, row in enumerate(rows):
            left = 0
            for frame in row:
                sheet.paste(frame, (left, number * (exhibit.height + _BETWEEN)))
                left += frame.width + _BETWEEN
        return sheet

    async def _paint(self, name: str) -> None:
        if name in self._links:
            return
        scene, path = _SCENES[name], self._directory / f"{name}.jpg"
        longer = max(scene.size)
        size = (scene.size[0] * _PAINTED // longer, scene.size[1] * _PAINTED // longer)
        await trio.to_thread.run_sync(render, replace(scene, size=size), path)
        self._links[name] = (await self._store.put(f"pictures/{name}.jpg", path, "image/jpeg", {})).address

    async def _frames(self, job: AnimotoJob, exhibit: Exhibit) -> list[Image.Image]:
        self._videos += 1
        context = Context(
            TaskId("gallery", self._videos),
            1,
            "gallery",
            time.time() + 600,
            str(self._directory / "scratch"),
            Settings(bucket="memory"),
            Log("error"),
        )
        video = self._directory / "video.mp4"
        await self._store.get(await make_video(job, context, self._store), video)
        film, last = Film.of(job), frame_count(job.fps, job.slides) - 1
        frames = []
        for second in exhibit.seconds:
            pixels = await grab_frame(video, film, min(last, round(second * film.fps)))
            image = Image.frombytes("RGB", (film.width, film.height), pixels)
            size = (exhibit.height * film.width // film.height, exhibit.height)
            frames.append(image.resize(size, Image.Resampling.LANCZOS))
        return frames


if __name__ == "__main__":
    main()
